// What the wire accepts: limits and looseness, the same for every HTTP version and both listeners (DESIGN: "What the wire accepts").

/** Bounds on a message's head and framing, in bytes or counts. */
export interface WireLimits {
  /** Request line, 414 above. */
  readonly requestLineBytes: number;
  /** All field lines of a head, or of a trailer section, 431 above. */
  readonly headerBlockBytes: number;
  /** Fields of a head, or of a trailer section, 431 above. */
  readonly headerCount: number;
  /** 1..; longer methods are refused with 400. */
  readonly methodChars: number;
  /** Chunk extensions of one body, in all; 400 above. */
  readonly chunkExtensionBytes: number;
}

/** What of a path is kept that no two servers read alike; false = refused with 400. */
export interface PathLooseness {
  /** `%2F` */
  readonly encodedSlash: boolean;
  /** `\` and `%5C` */
  readonly backslash: boolean;
  /** `%00` */
  readonly encodedNul: boolean;
  /** Overlong or otherwise invalid UTF-8 behind percent signs. */
  readonly invalidUtf8: boolean;
  /** `..;` and `.;` segments. */
  readonly dotParameters: boolean;
}

export const DEFAULT_LIMITS: WireLimits = {
  requestLineBytes: 8_192,
  headerBlockBytes: 32_768,
  headerCount: 100,
  methodChars: 32,
  chunkExtensionBytes: 16_384,
};

export const STRICT_PATHS: PathLooseness = {
  encodedSlash: false,
  backslash: false,
  encodedNul: false,
  invalidUtf8: false,
  dotParameters: false,
};
