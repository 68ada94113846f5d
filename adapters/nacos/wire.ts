// Bytes of Nacos' gRPC messages: a Payload of type, headers and JSON. Encoded and decoded by hand: it is four small messages.
import { RegistryError } from '../../src/registry/types.ts';

/** One message, either way. */
export interface Payload {
  /** The Java class's simple name, such as `InstanceRequest`. */
  readonly type: string;
  /** Sent only: what the server answers carries none that matter. */
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

// nacos_grpc_service.proto: Payload { Metadata metadata = 2; google.protobuf.Any body = 3 },
// Metadata { string type = 3; map<string, string> headers = 7; string clientIp = 8 }, Any { type_url = 1; bytes value = 2 }.
const PAYLOAD_METADATA = 2;
const PAYLOAD_BODY = 3;
const METADATA_TYPE = 3;
const METADATA_HEADERS = 7;
const ENTRY_KEY = 1;
const ENTRY_VALUE = 2;
const ANY_VALUE = 2;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** The message's bytes. */
export function encodePayload(payload: Payload): Buffer {
  const metadata = [field(METADATA_TYPE, Buffer.from(payload.type))];
  for (const [name, value] of Object.entries(payload.headers ?? {})) {
    const entry = Buffer.concat([field(ENTRY_KEY, Buffer.from(name)), field(ENTRY_VALUE, Buffer.from(value))]);
    metadata.push(field(METADATA_HEADERS, entry));
  }
  const any = field(ANY_VALUE, Buffer.from(payload.body));
  return Buffer.concat([field(PAYLOAD_METADATA, Buffer.concat(metadata)), field(PAYLOAD_BODY, any)]);
}

/** Reads a message; fields that it does not know are skipped. Throws RegistryError `protocol` for what is no message. */
export function decodePayload(bytes: Buffer): Payload {
  let type = '';
  let body = '';
  forEachField(bytes, (number, value) => {
    if (number === PAYLOAD_METADATA) {
      forEachField(value, (inner, text) => {
        if (inner === METADATA_TYPE) type = text.toString('utf8');
      });
    } else if (number === PAYLOAD_BODY) {
      forEachField(value, (inner, text) => {
        if (inner === ANY_VALUE) body = text.toString('utf8');
      });
    }
  });
  return { type, body };
}

function field(number: number, value: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + BYTES), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}

/** Calls `take` for each length-delimited field, in order. */
function forEachField(bytes: Buffer, take: (number: number, value: Buffer) => void): void {
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw broken();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw broken();
  };
  while (at < bytes.length) {
    const tag = readVarint();
    const kind = tag % 8;
    if (kind === VARINT) readVarint();
    else if (kind === FIXED64) at += 8;
    else if (kind === FIXED32) at += 4;
    else if (kind === BYTES) {
      const length = readVarint();
      if (length > bytes.length - at) throw broken();
      take(Math.floor(tag / 8), bytes.subarray(at, at + length));
      at += length;
    } else throw broken();
  }
  if (at > bytes.length) throw broken();
}

function broken(): RegistryError {
  return new RegistryError('protocol', 'nacos: a message that is none');
}
