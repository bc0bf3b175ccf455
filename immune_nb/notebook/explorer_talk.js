// The talk with the kernel: one question after the other, each ended by a `done` with its turn, whatever came of it.

const PATIENCE = 2000; // ms until a silent kernel is explained
const BUSY = "Waiting for the kernel: it answers when the running cell has ended.";

function conversation(model, root, doing) {
  let asking = null; // the question that is under way
  let queued = []; // those behind it
  let turns = 0;
  let waiting = null;
  const mine = unique(); // other views of the explorer hear what is answered here

  const show = (text) => {
    clearTimeout(waiting);
    doing.textContent = text;
    root.ariaBusy = String(Boolean(text));
    if (text) waiting = setTimeout(() => { doing.textContent = BUSY; }, PATIENCE);
  };

  const next = () => {
    asking = queued.shift() ?? null;
    show(asking?.text ?? "");
    if (!asking || tell(model, root, asking.message)) return;
    queued = [];
    asking = null;
    show("");
  };

  return {
    busy(text) {
      if (asking) show(text);
    },
    ask(message, text = "Looking…") {
      turns += 1;
      const isLook = (other) => other.message.do === "look"; // of wishes to look elsewhere, the newest of each kind
      const older = message.do === "look" ? queued.find(isLook)?.message : {};
      if (message.do === "look") queued = queued.filter((other) => !isLook(other));
      queued.push({ message: { ...older, ...message, turn: `${mine} ${turns}` }, text });
      if (!asking) next();
    },
    done(turn) {
      if (turn === asking?.message.turn) next();
    },
    awaits: (what) => queued.some(({ message }) => message.do === what),
    get asking() {
      return asking?.message;
    },
    close() {
      clearTimeout(waiting);
    },
  };
}
