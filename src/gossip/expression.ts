/**
 * Regular expressions of query filters. They come from other members, so they must not be able to hold
 * us up: no backtracking, but all possible states at once, which takes time proportional to the text
 * (Thompson, "Regular expression search algorithm", 1968). What RE2 has beyond literals, `.`, classes,
 * groups, `|`, `* + ?`, `{n,m}`, `^ $` and the escapes `\d \w \s` is refused.
 */
import { limits } from "../base/index.ts";

type Step =
  | { readonly kind: "char"; readonly fits: (char: string) => boolean }
  | { readonly kind: "start" | "end" }
  /** Goes on at both. */
  | { readonly kind: "split"; readonly a: number; readonly b: number };

/** A part of the program: positions inside it count from its own beginning. */
type Program = readonly Step[];

class Unsupported extends Error {}

/**
 * Whether a part of `text` matches, as Go's `MatchString` has it; who wants the whole writes `^(…)$`.
 * Undefined: the expression is not one that we understand.
 */
export function matchesExpression(expression: string, text: string): boolean | undefined {
  if (expression.length > limits.gossipExpressionCharsMax) return undefined;
  try {
    return run(new Parser(expression).parse(), Array.from(text));
  } catch (error) {
    if (error instanceof Unsupported) return undefined;
    throw error;
  }
}

function run(program: Program, chars: readonly string[]): boolean {
  let states = new Set<number>();
  const add = (into: Set<number>, at: number, position: number): void => {
    const stack = [at];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (into.has(next)) continue;
      into.add(next);
      const step = program[next];
      if (step?.kind === "split") stack.push(next + step.a, next + step.b);
      if (step?.kind === "start" && position === 0) stack.push(next + 1);
      if (step?.kind === "end" && position === chars.length) stack.push(next + 1);
    }
  };
  add(states, 0, 0);
  for (const [position, char] of chars.entries()) {
    if (states.has(program.length)) return true;
    const after = new Set<number>();
    for (const at of states) {
      const step = program[at];
      if (step?.kind === "char" && step.fits(char)) add(after, at + 1, position + 1);
    }
    // A match may also begin here.
    add(after, 0, position + 1);
    states = after;
  }
  return states.has(program.length);
}

const CLASSES: Readonly<Record<string, (char: string) => boolean>> = {
  d: (char) => char >= "0" && char <= "9",
  w: (char) => /^\w$/.test(char),
  s: (char) => " \t\n\f\r".includes(char),
};

class Parser {
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(expression: string) {
    this.#chars = Array.from(expression);
  }

  parse(): Program {
    const program = this.#alternatives();
    if (this.#at < this.#chars.length) throw new Unsupported();
    return program;
  }

  #alternatives(): Program {
    let program = this.#sequence();
    while (this.#accept("|")) program = either(program, this.#sequence());
    return program;
  }

  #sequence(): Program {
    const program: Step[] = [];
    for (let next = this.#peek(); next !== undefined && next !== "|" && next !== ")";) {
      program.push(...this.#repeated());
      if (program.length > limits.gossipExpressionStepsMax) throw new Unsupported();
      next = this.#peek();
    }
    return program;
  }

  #repeated(): Program {
    let program = this.#atom();
    if (this.#accept("*")) program = repeat(program, 0, Infinity);
    else if (this.#accept("+")) program = repeat(program, 1, Infinity);
    else if (this.#accept("?")) program = repeat(program, 0, 1);
    else if (this.#accept("{")) program = this.#counted(program);
    // What would follow now is lazy, possessive or nested repetition.
    if (["*", "+", "?", "{"].includes(this.#peek() ?? "")) throw new Unsupported();
    return program;
  }

  #counted(program: Program): Program {
    const min = this.#number() ?? fail();
    let max: number | undefined = min;
    if (this.#accept(",")) max = this.#number() ?? Infinity;
    if (!this.#accept("}") || max < min) throw new Unsupported();
    return repeat(program, min, max);
  }

  #number(): number | undefined {
    let digits = "";
    for (let next = this.#peek(); next !== undefined && CLASSES["d"]?.(next);) {
      digits += this.#take();
      next = this.#peek();
    }
    return digits === "" ? undefined : Number(digits);
  }

  #atom(): Program {
    const char = this.#take();
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return [{ kind: "char", fits: this.#class() }];
      case ".":
        return [{ kind: "char", fits: (each) => each !== "\n" }];
      case "^":
        return [{ kind: "start" }];
      case "$":
        return [{ kind: "end" }];
      case "\\":
        return [{ kind: "char", fits: this.#escaped() }];
      case "*":
      case "+":
      case "?":
      case "{":
        throw new Unsupported();
      default:
        return [{ kind: "char", fits: (each) => each === char }];
    }
  }

  #group(): Program {
    if (++this.#depth > 32) throw new Unsupported();
    if (this.#accept("?") && !this.#accept(":")) throw new Unsupported();
    const program = this.#alternatives();
    if (!this.#accept(")")) throw new Unsupported();
    this.#depth -= 1;
    return program;
  }

  #escaped(): (char: string) => boolean {
    const char = this.#take();
    const fits = CLASSES[char.toLowerCase()];
    if (fits !== undefined) return char in CLASSES ? fits : (each) => !fits(each);
    if (/[a-zA-Z0-9]/.test(char)) throw new Unsupported();
    return (each) => each === char;
  }

  #class(): (char: string) => boolean {
    const negated = this.#accept("^");
    const members: ((char: string) => boolean)[] = [];
    do {
      const first = this.#take();
      if (first === "[" && this.#peek() === ":") throw new Unsupported();
      if (first === "\\") {
        members.push(this.#escaped());
      } else if (this.#peek() === "-" && this.#chars[this.#at + 1] !== "]") {
        this.#take();
        const last = this.#take();
        if (last === "\\" || last < first) throw new Unsupported();
        members.push((char) => char >= first && char <= last);
      } else {
        members.push((char) => char === first);
      }
    } while (!this.#accept("]"));
    return (char) => members.some((fits) => fits(char)) !== negated;
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #take(): string {
    return this.#chars[this.#at++] ?? fail();
  }

  #accept(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at += 1;
    return true;
  }
}

function fail(): never {
  throw new Unsupported();
}

function either(a: Program, b: Program): Program {
  const skipB: Step = { kind: "split", a: b.length + 1, b: b.length + 1 };
  return [{ kind: "split", a: 1, b: a.length + 2 }, ...a, skipB, ...b];
}

function repeat(program: Program, min: number, max: number): Program {
  const copies = max === Infinity ? min : max;
  if ((copies + 1) * (program.length + 2) > limits.gossipExpressionStepsMax)
    throw new Unsupported();
  const steps: Step[] = [];
  for (let count = 0; count < min; count++) steps.push(...program);
  if (max === Infinity) {
    steps.push({ kind: "split", a: 1, b: program.length + 2 }, ...program);
    steps.push({ kind: "split", a: -program.length - 1, b: -program.length - 1 });
  } else {
    for (let count = min; count < max; count++) {
      steps.push({ kind: "split", a: 1, b: program.length + 1 }, ...program);
    }
  }
  return steps;
}
