/** A promise that was broken, and by what it shows. */
export interface Violation {
  /** Which rule: of the history (`R1`, `S1`, …) or of consensus (`I1`, …). */
  readonly rule: string;
  readonly message: string;
}
