// Proxies of one file each: what Node gives without our codec, and our codec's idea without anything else.
import { fileURLToPath } from 'node:url';

/** @type {import('./index.mjs').Row} */
export const nodeHttp = sketch('node-http', 'sketch: node:http with undici behind', 'sketch-node-http.mjs');

/** @type {import('./index.mjs').Row} */
export const handCodec = sketch('handcodec', 'sketch: hand codec, nothing else', 'sketch-handcodec.mjs');

/** @param {string} id @param {string} title @param {string} file @returns {import('./index.mjs').Row} */
function sketch(id, title, file) {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  return {
    id,
    title,
    sketch: true,
    missing: () => undefined,
    version: () => `Node ${process.versions.node}`,
    launch({ port, services, nodeOptions = [] }) {
      const [host, ports] = Object.entries(services)[0];
      return {
        argv: [process.execPath, ...nodeOptions, path, String(port), ports.join(',')],
        ready: { port, path: '/', host },
      };
    },
  };
}
