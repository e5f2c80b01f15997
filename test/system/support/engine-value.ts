/** The value that a process of `engine.ts` writes for a serial. */
export function valueOf(serial: number): string {
  return `${serial}:${"v".repeat((serial * 7919) % 400)}`;
}
