-- What a run of wrk found, as one line of JSON. Arguments after "--": services=N spreads requests over N Host names,
-- body=BYTES makes them POSTs.
local services, size = 0, 0

function init(args)
  for _, arg in ipairs(args) do
    local key, value = arg:match("^(%w+)=(%d+)$")
    if key == "services" then services = tonumber(value) end
    if key == "body" then size = tonumber(value) end
  end
  wrk.init(args)
  if size > 0 then
    wrk.method = "POST"
    wrk.body = string.rep("x", size)
    wrk.init(args)
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%.0f,"us":%.0f,"bytes":%.0f,"failed":%.0f,"p50Us":%.0f,"p99Us":%.0f,"maxUs":%.0f}\n',
    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
