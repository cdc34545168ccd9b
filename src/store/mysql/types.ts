/** A cluster of MySQL servers in MyCat's words: data hosts, data nodes, tables, rules, sequences. */
import type { MailRecord } from '../../record/types.ts';

export type MailProtocol = MailRecord['protocol'];

/** One server and how to log in to it. */
export interface Server {
  /** Unique in the cluster, for messages: `hostM1`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Path of a Unix socket; then host and port are not used. */
  readonly socketPath: string | undefined;
  readonly user: string;
  /** Never written anywhere. */
  readonly password: string;
  /** undefined: no TLS. */
  readonly tls: { readonly ca: string | undefined; readonly verify: boolean } | undefined;
}

/** A server that takes writes, with the replicas that read from it. */
export interface WriteHost {
  readonly server: Server;
  readonly readHosts: readonly { readonly server: Server; readonly weight: number }[];
}

/** One logical server: the first live write host in ring order is the active master. */
export interface DataHost {
  readonly name: string;
  /** In the order of the configuration, at least one. */
  readonly writeHosts: readonly WriteHost[];
  /** Who serves reads: 0 active master; 1 stand-by masters and replicas; 2 all; 3 replicas only. */
  readonly balance: 0 | 1 | 2 | 3;
  /** -1 never; 1 next live master; 2 only where its replication lag is 0; 3 Galera (wsrep ready, Primary). */
  readonly switchType: -1 | 1 | 2 | 3;
  /** Seconds of lag above which a replica serves no reads (switchType 2); -1 off. */
  readonly slaveThreshold: number;
  readonly heartbeat: { readonly statement: string; readonly intervalMs: number; readonly missesMax: number };
  readonly maxConnections: number;
}

export interface DataNode {
  readonly name: string;
  readonly dataHost: string;
  readonly database: string;
}

/** Where the rows of a protocol's day live: the table `smtp_2022_01_28` in a database on a data node. */
export interface Shard {
  readonly dataNode: DataNode;
  readonly table: string;
}

/** Throws a `MailprocError` where the configuration has no place for a day. */
export interface ShardMap {
  /** `day` is `yyyy-MM-dd`. */
  shardOf(protocol: MailProtocol, day: string): Shard;
  /** All data nodes that may hold rows of a protocol, each once. */
  dataNodes(): readonly DataNode[];
}

/** The global sequence that hands out ids. */
export type SequenceSettings =
  /** MyCat type 0: `name.CURID` … in a properties file, locked and rewritten atomically. */
  | { readonly kind: 'file'; readonly path: string; readonly name: string }
  /** MyCat type 1: table MYCAT_SEQUENCE on a data node. */
  | { readonly kind: 'database'; readonly dataNode: string; readonly name: string }
  /** MyCat type 2: 64-bit ids of time, datacenter and worker; needs a BIGINT id. */
  | { readonly kind: 'time'; readonly datacenter: number; readonly worker: number };

/** Everything a writer must know; made from a URL, a YAML file or a MyCat conf directory. */
export interface ClusterSettings {
  readonly dataHosts: readonly DataHost[];
  readonly shardMap: ShardMap;
  readonly sequence: SequenceSettings;
  /** `wide`: utf8mb4 and columns wide enough for real mail; `documented`: exactly the documented DDL. */
  readonly schema: 'wide' | 'documented';
  /** Remembers the active write host of each data host over runs; undefined: not remembered. */
  readonly activeHostFile: string | undefined;
  /** What was odd in the configuration but could be honoured; shown once. */
  readonly warnings: readonly string[];
}
