import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from "node:crypto";
import { limits, ProglogError } from "../base/index.ts";

/** What encryption adds to a plaintext: a version byte, a nonce, and a tag. */
export const SEAL_BYTES: number = 1 + 12 + 16;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_SIZES: readonly number[] = [16, 24, 32];
const NO_DATA = new Uint8Array(0);

/**
 * The keys of a cluster: the first encrypts, each is tried on what comes. So a key is changed without
 * an interruption: install the new one everywhere, use it, remove the old one.
 *
 * AES-GCM with a random nonce of 96 bits: a key should be changed before it has sealed 2^32 packets,
 * which at 100 packets a second takes more than a year. Source: NIST SP 800-38D, 8.3.
 */
export class Keyring {
  /** The primary one first. */
  #keys: readonly Buffer[];

  /** Throws `CONFIGURATION` when a key is not 16, 24 or 32 bytes. */
  constructor(keys: readonly Uint8Array[]) {
    this.#keys = [];
    for (const key of keys) this.install(key);
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /** As operators and peers write keys: base64, the primary one first. */
  list(): readonly string[] {
    return this.#keys.map((key) => key.toString("base64"));
  }

  /** Adds a key, to read with; the first of all also encrypts. */
  install(key: Uint8Array): void {
    if (!KEY_SIZES.includes(key.length)) {
      throw new ProglogError("CONFIGURATION", `a gossip key of ${key.length} bytes: 16, 24 or 32`);
    }
    if (this.#find(key) !== undefined) return;
    if (this.#keys.length >= limits.gossipKeysMax) {
      const sentence = `the keyring holds ${limits.gossipKeysMax} keys: remove one first`;
      throw new ProglogError("RESOURCE_EXHAUSTED", sentence);
    }
    this.#keys = [...this.#keys, Buffer.from(key)];
  }

  /** Encrypts with this key from now on. */
  use(key: Uint8Array): void {
    const found = this.#find(key);
    if (found === undefined) {
      throw new ProglogError("INVALID_ARGUMENT", "the key is not in the keyring");
    }
    this.#keys = [found, ...this.#keys.filter((other) => other !== found)];
  }

  /** Removes a key, which must not be the one in use. */
  remove(key: Uint8Array): void {
    const found = this.#find(key);
    if (found !== undefined && found === this.#keys[0]) {
      throw new ProglogError("INVALID_ARGUMENT", "the key in use cannot be removed");
    }
    this.#keys = this.#keys.filter((other) => other !== found);
  }

  /** Version 1 of memberlist's envelope: version, nonce, ciphertext, tag. */
  seal(plaintext: Uint8Array, associated: Uint8Array = NO_DATA): Uint8Array {
    const [key] = this.#keys;
    if (key === undefined) throw new ProglogError("CONFIGURATION", "the keyring is empty");
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(algorithmOf(key), key, nonce);
    cipher.setAAD(associated);
    const body = [cipher.update(plaintext), cipher.final()];
    return Buffer.concat([Uint8Array.of(1), nonce, ...body, cipher.getAuthTag()]);
  }

  /** Undefined when no key opens it. */
  open(sealed: Uint8Array, associated: Uint8Array = NO_DATA): Uint8Array | undefined {
    const version = sealed[0] ?? 255;
    if (version > 1 || sealed.length < SEAL_BYTES) return undefined;
    for (const key of this.#keys) {
      const plaintext = open(key, sealed, associated);
      if (plaintext !== undefined) return version === 0 ? unpadded(plaintext) : plaintext;
    }
    return undefined;
  }

  #find(key: Uint8Array): Buffer | undefined {
    return this.#keys.find((other) => other.length === key.length && timingSafeEqual(other, key));
  }
}

type Algorithm = "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm";

function algorithmOf(key: Uint8Array): Algorithm {
  return `aes-${(8 * key.length) as 128 | 192 | 256}-gcm`;
}

function open(key: Buffer, sealed: Uint8Array, associated: Uint8Array): Buffer | undefined {
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv(algorithmOf(key), key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associated);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const body = sealed.subarray(1 + NONCE_BYTES, sealed.length - TAG_BYTES);
  try {
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Version 0 pads to blocks of 16 bytes, as PKCS #7 does. */
function unpadded(plaintext: Uint8Array): Uint8Array | undefined {
  const padding = plaintext.at(-1) ?? 0;
  if (padding === 0 || padding > 16 || padding > plaintext.length) return undefined;
  return plaintext.subarray(0, plaintext.length - padding);
}
