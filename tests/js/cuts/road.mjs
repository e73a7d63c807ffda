// A road between one client and the server, which can be cut as a network is: both ends are reset, and for a while nobody
// gets through. When the server is gone, whoever comes by it is turned away too.

import { createServer, connect as dial } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Opens a road to there. */
export function road(hostname, port) {
  const pairs = new Set();
  let open = true;
  const server = createServer((near) => {
    if (!open) return near.destroy();
    const far = dial(port, hostname);
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    near.pipe(far).pipe(near);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: server.address().port,
        close() {
          server.close();
          for (const pair of pairs) pair.forEach((socket) => socket.destroy());
        },
        async cut(ms) {
          open = false;
          for (const pair of [...pairs]) pair.forEach((socket) => socket.resetAndDestroy());
          await pause(ms);
          open = true;
        },
      });
    });
  });
}
