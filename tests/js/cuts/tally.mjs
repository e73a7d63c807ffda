// What all clients of a run saw, and what did not hold.

/** So many faults are told one by one; the others are counted. */
const TOLD_MAX = 20;

export class Tally {
  cuts = 0;
  connects = 0;
  recovered = 0;
  messages = 0;
  typing = 0;
  presence = 0;
  faults = 0;
  told = [];

  fault(text) {
    this.faults += 1;
    if (this.told.length < TOLD_MAX) this.told.push(text);
  }

  /** Counts a state; it is of this moment, so nobody may come back by it. */
  state(event, offset) {
    if (offset !== undefined) this.fault('a state has an offset');
    if (event.typingState) this.typing += 1;
    else this.presence += 1;
  }
}
