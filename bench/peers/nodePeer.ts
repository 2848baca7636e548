/** The process of a peer that is a few lines of JavaScript: `node nodePeer.js NAME SETTINGS`. */
import { runBullMq } from './bullmq.ts';
import { runLibrary } from './library.ts';
import { runNotify } from './notify.ts';
import type { NodePeer } from './peer.ts';

const PEERS: Readonly<Record<string, (peer: NodePeer) => Promise<void>>> = {
  library: (peer) => runLibrary(peer, false),
  libraryWaiting: (peer) => runLibrary(peer, true),
  notify: runNotify,
  bullmq: runBullMq,
};

// Ends with the benchmark, however that ends.
process.stdin.resume().on('end', () => process.exit(0));
await PEERS[process.argv[2] ?? '']?.(JSON.parse(process.argv[3] ?? '{}') as NodePeer);
