import { experimental, status } from "@grpc/grpc-js";
import { formatHostPort, type HostPort, parseSeeds, SCHEME } from "./addresses.ts";
import { BALANCER_NAME, ClusterBalancer } from "./balancer.ts";
import { ROUTE_KEY, routeOf } from "./route.ts";

type Target = ConstructorParameters<ResolverConstructor>[0];
type ResolverConstructor = Parameters<typeof experimental.registerResolver>[1];
type ConfigSelector = experimental.ConfigSelector;

/** Tells the picker what it is otherwise not told: where a method wants to go. */
const SELECTOR: ConfigSelector = {
  invoke: (method) => ({
    methodConfig: { name: [] },
    pickInformation: { [ROUTE_KEY]: routeOf(method) },
    status: status.OK,
    dynamicFilterFactories: [],
  }),
  unref: () => undefined,
};

class ClusterConfig implements experimental.TypedLoadBalancingConfig {
  getLoadBalancerName(): string {
    return BALANCER_NAME;
  }

  toJsonObject(): object {
    return { [BALANCER_NAME]: {} };
  }

  static createFromJson(): ClusterConfig {
    return new ClusterConfig();
  }
}

/**
 * `proglog://host:port,host:port`: the servers that a cluster is found by, and the balancer that asks
 * them for the others. Names are left as they are: they are looked up whenever they are dialled.
 */
class ClusterResolver implements experimental.Resolver {
  readonly #listener: experimental.ResolverListener;
  readonly #endpoints: experimental.Endpoint[];
  #isDestroyed = false;

  constructor(target: Target, listener: experimental.ResolverListener) {
    this.#endpoints = parseSeeds(target.path).map((seed) => ({ addresses: [seed] }));
    this.#listener = listener;
  }

  updateResolution(): void {
    this.#isDestroyed = false;
    // Not before the caller is done, as the interface wants it.
    process.nextTick(() => {
      if (!this.#isDestroyed) this.#tell();
    });
  }

  destroy(): void {
    this.#isDestroyed = true;
  }

  #tell(): void {
    const attributes = { [experimental.CHANNEL_ARGS_CONFIG_SELECTOR_KEY]: SELECTOR };
    const serviceConfig = experimental.statusOrFromValue({
      loadBalancingConfig: [{ [BALANCER_NAME]: {} }],
      methodConfig: [],
    });
    const endpoints = experimental.statusOrFromValue(this.#endpoints);
    this.#listener(endpoints, attributes, serviceConfig, "");
  }

  static getDefaultAuthority(target: Target): string {
    const [first] = parseSeeds(target.path);
    return formatHostPort(first as HostPort);
  }
}

let isRegistered = false;

/**
 * Teaches `@grpc/grpc-js` addresses like `proglog://host:port,host:port`: a channel to one of them finds
 * the servers of the cluster, sends appends to the leader and reads to the followers, and follows it
 * when it changes. `connect` does this by itself; a client of one's own making needs it once.
 */
export function registerScheme(): void {
  if (isRegistered) return;
  isRegistered = true;
  experimental.registerLoadBalancerType(BALANCER_NAME, ClusterBalancer, ClusterConfig);
  experimental.registerResolver(SCHEME, ClusterResolver);
}
