import { builtinModules } from "node:module";

import tseslint from "typescript-eslint";

const PURE = {
  // What decides must not do: no I/O, no clock, no chance, no waiting.
  files: ["src/raft/**/*.ts", "src/gossip/**/*.ts"],
  ignores: ["**/*.test.ts"],
  rules: {
    "no-restricted-imports": ["error", { patterns: ["node:*"], paths: builtinModules }],
    "no-restricted-globals": [
      "error",
      "Date",
      "performance",
      "process",
      "Promise",
      "globalThis",
      "queueMicrotask",
      "setTimeout",
      "setInterval",
      "setImmediate",
      "crypto",
    ],
    "no-restricted-properties": ["error", { object: "Math", property: "random" }],
    "no-restricted-syntax": [
      "error",
      "AwaitExpression",
      "ImportExpression",
      "FunctionDeclaration[async=true]",
      "FunctionExpression[async=true]",
      "ArrowFunctionExpression[async=true]",
    ],
  },
};

const BROWSER = {
  // What a web page loads has nothing of Node's.
  files: ["src/base/**/*.ts", "src/browser/**/*.ts"],
  ignores: ["**/*.test.ts"],
  rules: {
    "no-restricted-imports": ["error", { patterns: ["node:*"], paths: builtinModules }],
    "no-restricted-globals": ["error", "Buffer", "process", "setImmediate", "global", "require"],
  },
};

export default tseslint.config(
  {
    ignores: [
      "dist/**",
      "dist.*/**",
      "bench/.data-*/**",
      "coverage/**",
      "src/api/gen/**",
      "node_modules/**",
    ],
  },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "no-console": "error",
    },
  },
  {
    // node:test's `test` and `it` return promises that the runner itself awaits.
    files: ["**/*.test.ts", "**/*.system.ts", "test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: [
                "test",
                "it",
                "describe",
                "suite",
                "before",
                "after",
                "beforeEach",
                "afterEach",
              ],
            },
          ],
        },
      ],
    },
  },
  { files: ["**/*.mjs", "**/*.js"], ...tseslint.configs.disableTypeChecked },
  { files: ["scripts/**", "bench/**", "src/cli/**"], rules: { "no-console": "off" } },
  PURE,
  BROWSER,
);
