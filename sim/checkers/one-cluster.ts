import type { Report } from "./observation.ts";

/**
 * B1 of bootstrap: servers of one cluster name belong to one cluster, whatever they saw of each other
 * when it was made; and nobody goes from one to another.
 */
export class OneCluster {
  readonly #report: Report;
  /** By cluster name: its id, and who had it first. */
  readonly #known: Map<string, { readonly clusterId: string; readonly name: string }> = new Map();

  constructor(report: Report) {
    this.#report = report;
  }

  /** Somebody belongs to a cluster. */
  get isMade(): boolean {
    return this.#known.size > 0;
  }

  /** A server belongs to a cluster, durably. */
  belongs(name: string, clusterName: string, clusterId: string): void {
    const known = this.#known.get(clusterName);
    if (known === undefined) this.#known.set(clusterName, { clusterId, name });
    else if (known.clusterId !== clusterId) {
      const message = `${name} belongs to ${clusterId}, and ${known.name} to ${known.clusterId}, both called ${clusterName}`;
      this.#report("B1", message);
    }
  }
}
