#!/usr/bin/env node
/**
 * # cli: everything by hand
 *
 * One program for those who serve a log, use one, or look after its files. `program.ts` knows the
 * commands and loads only the one that is asked for; each file in `commands/` defines its options and
 * does its work inside `run`, which gives all of them the same manners.
 *
 * Invariants: data goes to standard output and everything else to standard error; exit codes are
 * those of `exit-codes.ts`; the first Ctrl-C or SIGTERM ends in order, the second at once; the process
 * ends by itself when its work is done, because nothing was left open.
 *
 * Left out on purpose: decisions. What a command does, the client, the agent or the log can do
 * without it.
 */
import { processHost } from "./host.ts";
import { main } from "./program.ts";

process.exitCode = await main(process.argv.slice(2), processHost);
