import { Option } from "commander";
import type { Command } from "commander";
import { keyOf, SETTINGS } from "../agent/index.ts";
import type { Setting } from "../agent/index.ts";

/** Adds a flag for each of an agent's settings, from their one table. */
export function addAgentOptions(
  command: Command,
  defaults: Readonly<Record<string, string>>,
): void {
  command.option("--config-file <file>", "settings in YAML or JSON, by their flags' names");
  for (const [name, setting] of Object.entries(SETTINGS) as [string, Setting<unknown>][]) {
    const argument = setting.argument ?? "[true|false]";
    const text = defaults[name] ?? setting.fallbackText ?? String(setting.fallback());
    const option = new Option(
      `--${keyOf(name)} ${argument}`,
      `${setting.description} (default: ${text})`,
    );
    // A list may be given in one flag, or in several.
    if (LISTS.includes(argument)) option.argParser(joinLists);
    command.addOption(option);
  }
}

/** What follows the flags of settings that are lists. */
const LISTS: readonly string[] = ["<origins>", "<addresses>", "<keys>"];

function joinLists(value: string, before: string | undefined): string {
  return before === undefined ? value : `${before},${value}`;
}

/** What was given for settings, without the flags that are the command line's own. */
export function settingFlags(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = new Set(Object.keys(SETTINGS));
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.has(name)));
}
