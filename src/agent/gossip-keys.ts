import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { ProglogError } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { GossipKeys } from "../membership/index.ts";
import { Keyring } from "../transport/index.ts";

const FORMAT = 1;
/** Keys are read by their owner only. */
const MODE = 0o600;

/**
 * The keys of gossip, with what the cluster changed while it ran (`serf keys`). A change is kept in a
 * file, so that a restart does not go back to a key that nobody has any more. The newest word counts: a
 * file that was made under another configuration is no longer true, and goes.
 */
export class GossipKeyring implements GossipKeys {
  readonly keyring: Keyring;
  readonly #file: string;
  readonly #configuredBy: string;

  /** `configured`: base64, the one that encrypts first; none means no encryption, whatever was kept. */
  constructor(file: string, configured: readonly string[], observer: Observer) {
    this.#file = file;
    this.#configuredBy = createHash("sha256").update(configured.join()).digest("base64");
    const kept = configured.length === 0 ? undefined : this.#read();
    if (kept !== undefined) observer.log("info", "gossip.keys-kept", { keys: kept.length });
    const keys = kept ?? configured;
    this.keyring = new Keyring(keys.map((key) => Buffer.from(key, "base64")));
  }

  get isEmpty(): boolean {
    return this.keyring.isEmpty;
  }

  list(): readonly string[] {
    return this.keyring.list();
  }

  install(key: Uint8Array): void {
    this.keyring.install(key);
    this.#keep();
  }

  use(key: Uint8Array): void {
    this.keyring.use(key);
    this.#keep();
  }

  remove(key: Uint8Array): void {
    this.keyring.remove(key);
    this.#keep();
  }

  /** Throws `STORAGE_FAILED`: whoever asked for the change must know that it does not last. */
  #keep(): void {
    const said = { format: FORMAT, configured_by: this.#configuredBy, keys: this.list() };
    const temporary = `${this.#file}.tmp`;
    try {
      fs.rmSync(temporary, { force: true });
      fs.writeFileSync(temporary, `${JSON.stringify(said)}\n`, { mode: MODE });
      sync(temporary);
      fs.renameSync(temporary, this.#file);
      sync(path.dirname(this.#file));
    } catch (cause) {
      const sentence = "the keys have changed, but a restart will not know: they cannot be written";
      throw new ProglogError("STORAGE_FAILED", sentence, { cause });
    }
  }

  /** Undefined when there is none, or it is not of this configuration. */
  #read(): readonly string[] | undefined {
    let text: string;
    try {
      text = fs.readFileSync(this.#file, "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new ProglogError("STORAGE_FAILED", `${this.#file} cannot be read`, { cause });
    }
    const { format, configured_by: by, keys } = parse(text);
    const areTexts = Array.isArray(keys) && keys.every((key) => typeof key === "string");
    if (!areTexts || format !== FORMAT || keys.length === 0) {
      throw new ProglogError("CONFIGURATION", `${this.#file} holds no keys: remove it, or mend it`);
    }
    if (by === this.#configuredBy) return keys;
    fs.rmSync(this.#file);
    return undefined;
  }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function sync(file: string): void {
  const descriptor = fs.openSync(file, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
