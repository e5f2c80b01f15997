import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { EventLoopUtilization, IntervalHistogram } from "node:perf_hooks";
import type { Labels } from "../base/index.ts";
import type { Registry } from "./registry.ts";

/** How often the delay of the event loop is looked at: short enough to see stalls, cheap enough to leave on. */
const LOOP_RESOLUTION_MS = 20;
const STATISTICS: readonly [percentile: number, labels: Labels][] = [
  [50, { statistic: "p50" }],
  [99, { statistic: "p99" }],
  [100, { statistic: "max" }],
];

/** How full the process is: its event loop, its processor time, its memory. */
export class ProcessMetrics {
  readonly #registry: Registry;
  readonly #loop: IntervalHistogram;
  #utilization: EventLoopUtilization;
  #cpuSeconds = 0;

  constructor(registry: Registry, build: Labels) {
    this.#registry = registry;
    this.#utilization = performance.eventLoopUtilization();
    this.#loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#loop.enable();
    registry.gauge("build_info", 1, build);
    registry.gauge("start_time_seconds", Math.round(Date.now() / 1_000));
    registry.onCollect(() => this.#refresh());
  }

  stop(): void {
    this.#loop.disable();
  }

  #refresh(): void {
    const registry = this.#registry;
    this.#tellLoop();
    const { rss, heapUsed } = process.memoryUsage();
    registry.gauge("resident_memory_bytes", rss);
    registry.gauge("heap_used_bytes", heapUsed);
    const { user, system } = process.cpuUsage();
    const cpuSeconds = (user + system) / 1e6;
    registry.count("cpu_seconds_total", cpuSeconds - this.#cpuSeconds);
    this.#cpuSeconds = cpuSeconds;
  }

  #tellLoop(): void {
    for (const [percentile, labels] of STATISTICS) {
      // The timer itself is due after its resolution: what is beyond that is delay.
      const ns = percentile === 100 ? this.#loop.max : this.#loop.percentile(percentile);
      const seconds = Math.max(0, ns / 1e9 - LOOP_RESOLUTION_MS / 1e3);
      const isMeasured = this.#loop.count > 0;
      this.#registry.gauge("event_loop_delay_seconds", isMeasured ? seconds : 0, labels);
    }
    this.#loop.reset();
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    this.#registry.gauge("event_loop_utilization_ratio", utilization);
  }
}
