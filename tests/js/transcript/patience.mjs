// Waiting for what a client is told: until a condition holds, woken by each change, and no longer than the story's patience.

import { Mismatch } from './pattern.mjs';

export class Patience {
  #timeoutMs;
  #wake = () => {};

  constructor(timeoutMs) {
    this.#timeoutMs = timeoutMs;
  }

  /** Something has changed. */
  wake() {
    this.#wake();
  }

  async until(condition, what) {
    const deadline = Date.now() + this.#timeoutMs;
    while (!condition()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Mismatch(`expected: ${what}\nreceived: nothing for ${this.#timeoutMs} ms`);
      await new Promise((resume) => {
        const timer = setTimeout(resume, left);
        this.#wake = () => { clearTimeout(timer); resume(); };
      });
    }
  }
}
