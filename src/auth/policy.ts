import type { Enforcer, Model } from "casbin";
import { limits, ProglogError } from "../base/index.ts";
import { shown } from "./shown.ts";

export type Action = "produce" | "consume" | "administer";

export const ACTIONS: readonly Action[] = ["produce", "consume", "administer"];

/** The book's: who, what and how must each be equal. */
export const DEFAULT_MODEL = `[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
`;

/** Lines of a new policy that are tried before it is believed. */
const TRIALS_MAX = 20;

/** One version of an access list. */
export interface Policy {
  allows(subject: string, object: string, action: Action): boolean;
}

/**
 * Makes a policy of a Casbin model and its lines. Casbin takes lines that are incomplete and files
 * that are garbage without a word, and then denies everybody; here each line is checked first, and a
 * policy without any is refused, since nobody means that. Rejects with `CONFIGURATION`.
 */
export async function parsePolicy(modelText: string, policyText: string): Promise<Policy> {
  const { newEnforcer } = await import("casbin");
  const model = await parseModel(modelText);
  const lines = parseLines(policyText, definitionsOf(model), actionColumnOf(model));
  if (lines.length === 0) throw invalid("the policy has no line");
  for (const { section, fields } of lines) model.addPolicy(section[0] ?? "", section, fields);
  const enforcer = await newEnforcer(model);
  if (lines.some(({ section }) => section.startsWith("g"))) await enforcer.buildRoleLinks();
  // What a matcher asks for and nobody has is noticed only by a request that comes so far.
  for (const { section, fields } of lines.slice(0, TRIALS_MAX)) {
    const [subject = "", object = "", action = ""] = section === "p" ? fields : [];
    decide(enforcer, subject, object, action);
  }
  return new CasbinPolicy(enforcer);
}

/** Deciding costs tens of microseconds, and the same questions come again and again. */
class CasbinPolicy implements Policy {
  readonly #enforcer: Enforcer;
  readonly #decisions = new Map<string, boolean>();

  constructor(enforcer: Enforcer) {
    this.#enforcer = enforcer;
  }

  allows(subject: string, object: string, action: Action): boolean {
    const key = `${action} ${object} ${subject}`;
    const known = this.#decisions.get(key);
    if (known !== undefined) return known;
    if (this.#decisions.size >= limits.policyDecisionsMax) this.#decisions.clear();
    const decision = decide(this.#enforcer, subject, object, action);
    this.#decisions.set(key, decision);
    return decision;
  }
}

function decide(enforcer: Enforcer, subject: string, object: string, action: string): boolean {
  try {
    return enforcer.enforceSync(subject, object, action);
  } catch (cause) {
    throw invalid(`the model cannot decide: ${ProglogError.from(cause).message}`, cause);
  }
}

async function parseModel(text: string): Promise<Model> {
  const { newModelFromString } = await import("casbin");
  let model: Model;
  try {
    model = newModelFromString(text);
  } catch (cause) {
    throw invalid(`the model: ${ProglogError.from(cause).message}`, cause);
  }
  const isComplete = ["r", "p", "e", "m"].every((section) =>
    model.model.get(section)?.has(section),
  );
  if (!isComplete) {
    throw invalid("the model lacks a request, a policy, an effect or a matcher");
  }
  const request = model.model.get("r")?.get("r")?.tokens ?? [];
  if (request.length !== 3) {
    throw invalid(`the model's request has ${request.length} parts; it is asked with 3`);
  }
  return model;
}

/** How many fields a line of each kind has: `p` → 3. */
function definitionsOf(model: Model): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [name, { tokens }] of model.model.get("p") ?? []) counts.set(name, tokens.length);
  for (const [name, { value }] of model.model.get("g") ?? []) {
    counts.set(name, value.split("_").length - 1);
  }
  return counts;
}

/** Where in a `p` line an action stands that has to be one of ours; -1 when the model decides otherwise. */
function actionColumnOf(model: Model): number {
  const request = model.model.get("r")?.get("r")?.tokens[2] ?? "";
  const matcher = (model.model.get("m")?.get("m")?.value ?? "").replaceAll(/\s/g, "");
  const { tokens = [] } = model.model.get("p")?.get("p") ?? {};
  return tokens.findIndex(
    (token) => matcher.includes(`${request}==${token}`) || matcher.includes(`${token}==${request}`),
  );
}

interface PolicyLine {
  readonly section: string;
  readonly fields: string[];
}

function parseLines(
  text: string,
  definitions: ReadonlyMap<string, number>,
  actionColumn: number,
): PolicyLine[] {
  if (text.includes("\ufffd")) throw invalid("the policy is not UTF-8");
  const lines: PolicyLine[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const refuse = (why: string): never => {
      throw invalid(`line ${index + 1} of the policy, ${shown(line)}, ${why}`);
    };
    if (lines.length >= limits.policyLinesMax) refuse(`is beyond ${limits.policyLinesMax} lines`);
    const [section = "", ...fields] = line.split(",").map((field) => field.trim());
    const count = definitions.get(section);
    if (count === undefined) refuse(`begins with none of ${[...definitions.keys()].join(", ")}`);
    if (fields.length !== count)
      refuse(`has ${fields.length} fields after the first, not ${count}`);
    if (!fields.every((field) => /^[ -~]+$/.test(field) && !/["\\]/.test(field))) {
      refuse("has a field that is empty, or not of plain ASCII characters without quotes");
    }
    const action = section === "p" ? fields[actionColumn] : undefined;
    if (action !== undefined && !(ACTIONS as readonly string[]).includes(action)) {
      refuse(`has the unknown action ${shown(action)}; there are ${ACTIONS.join(", ")}`);
    }
    lines.push({ section, fields });
  }
  return lines;
}

function invalid(sentence: string, cause?: unknown): ProglogError {
  return new ProglogError("CONFIGURATION", sentence, { cause });
}
