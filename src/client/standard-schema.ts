/**
 * As much of Standard Schema (https://standardschema.dev, version 1) as is used here: what validators of
 * different libraries have in common.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Validation<Output> | Promise<Validation<Output>>;
    /** Of the compiler alone. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type Validation<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

export interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

type Types<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>;
/** What a schema takes. */
export type InputOf<Schema extends StandardSchema> = Types<Schema>["input"];
/** What it makes of it. */
export type OutputOf<Schema extends StandardSchema> = Types<Schema>["output"];

const ISSUES_TOLD_MAX = 5;

/** A sentence of what is wrong, and where. */
export function issuesOf(issues: readonly Issue[]): string {
  const told = issues.slice(0, ISSUES_TOLD_MAX).map(({ message, path = [] }) => {
    const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
    return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
  });
  const more = issues.length - told.length;
  return told.join("; ") + (more > 0 ? `; and ${more} more` : "");
}
