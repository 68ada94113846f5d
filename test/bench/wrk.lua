-- Prints what a run of wrk found as one line of JSON. Arguments after "--": services=N goes round over the Host names
-- svc0 … svc(N-1); body=BYTES makes POSTs of that size.
function init(args)
  for _, arg in ipairs(args) do
    local key, value = arg:match("^(%w+)=(%d+)$")
    if key == "services" then
      local made, at = {}, 0
      for i = 0, tonumber(value) - 1 do
        made[#made + 1] = wrk.format("GET", "/", { Host = "svc" .. i })
      end
      request = function()
        at = at % #made + 1
        return made[at]
      end
    elseif key == "body" then
      wrk.method = "POST"
      wrk.body = string.rep("x", tonumber(value))
    end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%.0f,"us":%.0f,"bytes":%.0f,"failed":%.0f,"p50Us":%.0f,"p99Us":%.0f,"maxUs":%.0f}\n',
    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
