import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { limits } from "../base/index.ts";
import { connect } from "../client/index.ts";
import type { Client, Position } from "../client/index.ts";
import type { Context } from "./run.ts";
import { addTlsOptions, tlsOf } from "./tls-options.ts";
import type { TlsOptions } from "./tls-options.ts";

/** How a server is talked to, wherever it is. */
export interface ConnectionOptions extends TlsOptions {
  readonly timeout: number;
}

/** Options of every command that talks to a server. */
export interface ClientOptions extends ConnectionOptions {
  readonly address?: string;
}

const ADDRESS = "127.0.0.1:8400";
const TIMEOUT_SECONDS = 10;

export function addClientOptions(command: Command): void {
  command
    .option(
      "-a, --address <host:port,…>",
      `RPC addresses of one or more servers of the cluster (default: PROGLOG_ADDRESS, else ${ADDRESS})`,
    )
    .addOption(timeoutOption());
  addTlsOptions(command);
}

/** The address that was given, by flag or by variable. */
export function addressOf({ env }: Context, options: ClientOptions): string {
  const { address = env["PROGLOG_ADDRESS"] } = options;
  return address === undefined || address === "" ? ADDRESS : address;
}

export function timeoutOption(): Option {
  return new Option("--timeout <seconds>", "how long a server may take to answer")
    .default(TIMEOUT_SECONDS)
    .argParser((text) => positive(text, "seconds"));
}

export function connectTo(context: Context, address: string, options: ConnectionOptions): Client {
  return connect(address, { timeoutMs: 1_000 * options.timeout, tls: tlsOf(context, options) });
}

/**
 * A client for those who follow a log for days: it outlasts a restart of the server. Fails at once
 * when there is no server to begin with.
 */
export async function connectToFollow(
  context: Context,
  address: string,
  options: ConnectionOptions,
): Promise<Client> {
  const timeoutMs = 1_000 * options.timeout;
  const tls = tlsOf(context, options);
  await using first = connect(address, { timeoutMs, tls });
  await first.offsets({ signal: context.signal });
  const retry = {
    attemptsMax: limits.followRetryAttemptsMax,
    delayMsMin: limits.retryDelayMsMin,
    delayMsMax: limits.retryDelayMsMax,
  };
  return connect(address, { timeoutMs, retry, tls });
}

function positive(text: string, unit: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  throw new InvalidArgumentError(`Give a number of ${unit} above 0.`);
}

/** A whole number of something, from `least` on. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= least) return number;
    throw new InvalidArgumentError(`Give a whole number of at least ${least}.`);
  };
}

/** `start`, `end`, an offset, or a time. */
export function position(text: string): Position {
  if (text === "start" || text === "end") return text;
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  const isDate = /^\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?$/.test(text);
  const date = new Date(text);
  if (isDate && !Number.isNaN(date.getTime())) return date;
  throw new InvalidArgumentError(
    "Give start, end, an offset, or a time like 2026-01-31 or 2026-01-31T12:00:00Z.",
  );
}
