import { readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { limits, ProglogError } from "../base/index.ts";
import type { ClientTls, TlsMaterial } from "./credentials.ts";

/**
 * The certificates of a client that stand in files, looked at for changes. A change counts once it has
 * been the same for two looks, so that files which are replaced one after the other are read together;
 * what cannot be used is left alone, and the old material stays in use.
 */
export class TlsFiles implements Disposable {
  readonly #tls: ClientTls;
  readonly #onChange: (material: TlsMaterial) => void;
  readonly #paths: readonly string[];
  #seen: string | undefined;
  #inUse: string;
  #changed: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `material` is what was read before. `onChange` may throw: then nothing has changed. */
  constructor(tls: ClientTls, material: TlsMaterial, onChange: (material: TlsMaterial) => void) {
    this.#tls = tls;
    this.#inUse = contentOf(material);
    this.#onChange = onChange;
    this.#paths = [tls.caFile, tls.certFile, tls.keyFile].filter((path) => path !== undefined);
    if (this.#paths.length > 0) this.#wait();
  }

  /** What the files hold now; throws `CONFIGURATION`. */
  static read(tls: ClientTls): TlsMaterial {
    const one = (pem: ClientTls["ca"], path: string | undefined): ClientTls["ca"] => {
      if (path === undefined) return pem;
      try {
        return readFileSync(path);
      } catch (cause) {
        throw new ProglogError("CONFIGURATION", ProglogError.from(cause).message, { cause });
      }
    };
    return {
      ca: one(tls.ca, tls.caFile),
      cert: one(tls.cert, tls.certFile),
      key: one(tls.key, tls.keyFile),
    };
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #wait(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      void this.#look().then(() => this.#wait());
    }, limits.clientFileCheckIntervalMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const signature = (await Promise.all(this.#paths.map(signatureOf))).join(" ");
    // The first look comes after the files were read, which may have been in the middle of a change.
    const isSettled = signature === this.#changed;
    this.#changed = signature;
    if (!isSettled || signature === this.#seen) return;
    try {
      const material = await this.#readAll();
      if (this.#isClosed) return;
      const content = contentOf(material);
      if (content !== this.#inUse) this.#onChange(material);
      this.#inUse = content;
    } catch {
      // Half a file, or a key without its certificate: the next change may mend it.
    }
    this.#seen = signature;
  }

  async #readAll(): Promise<TlsMaterial> {
    const { ca, cert, key, caFile, certFile, keyFile } = this.#tls;
    const one = (pem: ClientTls["ca"], path: string | undefined) =>
      path === undefined ? pem : readFile(path);
    return {
      ca: await one(ca, caFile),
      cert: await one(cert, certFile),
      key: await one(key, keyFile),
    };
  }
}

function contentOf({ ca, cert, key }: TlsMaterial): string {
  return [ca, cert, key]
    .map((pem) => (pem === undefined ? "" : Buffer.from(pem).toString()))
    .join();
}

/** Changes whenever a file does, is replaced, disappears, or comes. */
async function signatureOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unreadable";
  }
}
