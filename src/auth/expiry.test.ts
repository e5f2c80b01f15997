/** When certificates end, in numbers and in words. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { before, describe, test } from "node:test";

import { silentObserver } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { createAuthority, issueCertificate } from "./certificates.ts";
import { ExpiryWatch } from "./expiry.ts";
import type { Current } from "./reloaded.ts";
import type { TlsMaterial } from "./tls.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 0, 1);

class HandClock implements Clock {
  ms = NOW;
  due: (() => void) | undefined;
  now = (): number => this.ms;
  monotonic = (): number => this.ms;
  after = (_ms: number, callback: () => void): (() => void) => {
    this.due = callback;
    return () => {
      this.due = undefined;
    };
  };

  /** A day passes. */
  pass(): void {
    this.ms += DAY_MS;
    this.due?.();
  }
}

/** Files that are replaced by hand. */
class Files implements Current<TlsMaterial> {
  version = 1;
  listener: ((value: TlsMaterial) => void) | undefined;
  value: TlsMaterial;

  constructor(value: TlsMaterial) {
    this.value = value;
  }

  onChange(listener: (value: TlsMaterial) => void): () => void {
    this.listener = listener;
    return () => {
      this.listener = undefined;
    };
  }

  replace(value: TlsMaterial): void {
    this.value = value;
    this.listener?.(value);
  }
}

let material: (days: number, ...authorityDays: readonly number[]) => TlsMaterial;

describe("the end of certificates", () => {
  before(async () => {
    const made = new Map<number, X509Certificate>();
    const notBefore = new Date(NOW);
    const authority = await createAuthority("x", { days: 400, notBefore });
    for (const days of [29, 31, 300]) {
      const options = { authority, kind: "server", name: "x", days, notBefore } as const;
      made.set(days, new X509Certificate((await issueCertificate(options)).cert));
    }
    const of = (days: number): X509Certificate => made.get(days) ?? assert.fail();
    material = (days, ...authorityDays) => ({
      certificate: of(days),
      authorities: authorityDays.map(of),
      options: {},
    });
  });

  function watch(value: TlsMaterial) {
    const clock = new HandClock();
    const files = new Files(value);
    const gauges = new Map<string, number>();
    const lines: string[] = [];
    const observer = {
      ...silentObserver,
      gauge: (name: string, end: number | undefined, labels = {}) => {
        const key = [name, ...Object.values(labels)].join(" ");
        if (end === undefined) gauges.delete(key);
        else gauges.set(key, Math.round((end - NOW / 1_000) / 86_400));
      },
      log: (level: string, event: string, fields = {}) => {
        const { kind, days_left } = fields as { kind: string; days_left: number };
        lines.push(`${level} ${event} ${kind} ${days_left}`);
      },
    };
    const watched = new ExpiryWatch("server", files, { clock, observer });
    return { clock, files, gauges, lines, watched };
  }

  const METRIC = "tls_certificate_not_after_timestamp_seconds server_tls";

  test("is a number from the start, the authority's too, and follows the files", () => {
    const { files, gauges, lines } = watch(material(300, 300, 31));
    assert.deepEqual(
      [...gauges],
      [
        [`${METRIC} certificate`, 300],
        [`${METRIC} authority`, 31],
      ],
    );
    files.replace(material(31));
    assert.deepEqual([...gauges], [[`${METRIC} certificate`, 31]]);
    assert.deepEqual(lines, []);
  });

  test("is told in words when it is near, once a day, until there is another", () => {
    const { clock, files, lines, watched } = watch(material(31, 300));
    clock.pass();
    assert.deepEqual(lines, []);
    clock.pass();
    clock.pass();
    const said = [
      "warn server_tls.ends-soon certificate 29",
      "warn server_tls.ends-soon certificate 28",
    ];
    assert.deepEqual(lines, said);
    files.replace(material(300, 300));
    clock.pass();
    assert.deepEqual(lines, said);
    files.replace(material(29, 300));
    for (let days = 0; days < 26; days++) clock.pass();
    assert.equal(lines[lines.length - 1], "error server_tls.ends-soon certificate -1");
    const told = lines.length;
    watched.close();
    clock.pass();
    files.replace(material(29, 29));
    assert.equal(lines.length, told);
  });
});
