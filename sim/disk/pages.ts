/** The page cache's unit: what a power cut keeps or loses as a whole. */
export const PAGE_BYTES = 4096;

/** Pages are shared between views and copied by the first owner that writes to a foreign one. */
export interface Page {
  readonly bytes: Uint8Array;
  readonly owner: Owner;
}

/** Whoever may write to a page in place. A new one freezes all pages of the one before. */
export type Owner = object;

export function newOwner(): Owner {
  return {};
}

/**
 * The bytes of one file. A missing page is a hole and reads as zeros; bytes past `length` within the
 * last page are zeros too, so that growing needs no clearing.
 */
export interface View {
  length: number;
  readonly pages: (Page | undefined)[];
}

export function copyView(view: View): View {
  return { length: view.length, pages: view.pages.slice() };
}

/** A view of `bytes`, which are copied. */
export function viewOf(bytes: Uint8Array): View {
  const view: View = { length: 0, pages: [] };
  writeView(view, newOwner(), bytes, 0);
  return view;
}

export function bytesOf(view: View): Uint8Array {
  const bytes = new Uint8Array(view.length);
  readView(view, bytes, 0);
  return bytes;
}

/** Fills `into` from `position`; returns the bytes read, fewer only at the end. */
export function readView(view: View, into: Uint8Array, position: number): number {
  const total = Math.max(0, Math.min(into.length, view.length - position));
  let done = 0;
  while (done < total) {
    const at = position + done;
    const inPage = at % PAGE_BYTES;
    const step = Math.min(PAGE_BYTES - inPage, total - done);
    const page = view.pages[Math.floor(at / PAGE_BYTES)];
    if (page === undefined) into.fill(0, done, done + step);
    else copyBytes(page.bytes, inPage, into, done, step);
    done += step;
  }
  return total;
}

/** Writes all of `bytes` at `position`, growing the view; returns how many holes became pages. */
export function writeView(view: View, owner: Owner, bytes: Uint8Array, position: number): number {
  let done = 0;
  let filled = 0;
  while (done < bytes.length) {
    const at = position + done;
    const inPage = at % PAGE_BYTES;
    const step = Math.min(PAGE_BYTES - inPage, bytes.length - done);
    const number = Math.floor(at / PAGE_BYTES);
    if (view.pages[number] === undefined) filled += 1;
    copyBytes(bytes, done, ownPage(view, owner, number), inPage, step);
    done += step;
  }
  if (bytes.length > 0) view.length = Math.max(view.length, position + bytes.length);
  return filled;
}

/** The bytes of a page that `owner` may write to: its own, else a copy that takes the place. */
export function ownPage(view: View, owner: Owner, number: number): Uint8Array {
  const page = view.pages[number];
  if (page?.owner === owner) return page.bytes;
  const bytes = freshPage();
  if (page !== undefined) bytes.set(page.bytes);
  view.pages[number] = { bytes, owner };
  return bytes;
}

// Pages come by the slab: memory of its own for each would cost more than filling it.
const SLAB_PAGES = 16;
let slab = new ArrayBuffer(0);
let slabAt = 0;

function freshPage(): Uint8Array {
  if (slabAt === slab.byteLength) {
    slab = new ArrayBuffer(SLAB_PAGES * PAGE_BYTES);
    slabAt = 0;
  }
  const page = new Uint8Array(slab, slabAt, PAGE_BYTES);
  slabAt += PAGE_BYTES;
  return page;
}

/** Sets the length: what is cut off reads as zeros if the view grows again. */
export function resizeView(view: View, owner: Owner, length: number): void {
  const kept = Math.ceil(length / PAGE_BYTES);
  if (view.pages.length > kept) view.pages.length = kept;
  const inPage = length % PAGE_BYTES;
  if (length < view.length && inPage > 0 && view.pages[kept - 1] !== undefined) {
    ownPage(view, owner, kept - 1).fill(0, inPage);
  }
  view.length = length;
}

// Short runs are copied by hand: making a subarray costs more than the bytes do.
function copyBytes(
  from: Uint8Array,
  fromAt: number,
  to: Uint8Array,
  toAt: number,
  length: number,
): void {
  if (length > 32) {
    to.set(from.subarray(fromAt, fromAt + length), toAt);
    return;
  }
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] as number;
}
