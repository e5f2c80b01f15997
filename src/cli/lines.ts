import { ProglogError } from "../base/index.ts";

const NEWLINE = 0x0a;

/**
 * The lines of a stream of bytes, without their newline and without decoding them: a line may hold
 * any bytes. The last one needs no newline. Throws `RECORD_TOO_LARGE` at a line longer than
 * `lineBytesMax`, before it is collected.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let parts: Uint8Array[] = [];
  let partsBytes = 0;
  let lineNumber = 1;
  const take = (part: Uint8Array): void => {
    parts.push(part);
    partsBytes += part.length;
    if (partsBytes <= lineBytesMax) return;
    const message = `line ${lineNumber} is longer than ${lineBytesMax} bytes`;
    throw new ProglogError("RECORD_TOO_LARGE", message);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end));
      yield parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
      parts = [];
      partsBytes = 0;
      lineNumber += 1;
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (partsBytes > 0) yield Buffer.concat(parts);
}
