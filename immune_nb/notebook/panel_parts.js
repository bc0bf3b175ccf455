// What the panel, the explorer and the tail are built of: each is this file and its own, one module in that order.

const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

// Else a letter typed on it is a notebook command: d, d deletes the cell.
const keyboardSafe = (node) => {
  node.dataset.lmSuppressShortcuts = "true";
  return node;
};

const quiet = { autocomplete: "off", spellcheck: false, autocapitalize: "off" };

// A name of its own on the page; `crypto.randomUUID` is missing where a hub has no TLS.
const unique = () => `immune-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

const row = (field, text) => {
  field.id = unique();
  const label = element("label", { htmlFor: field.id, textContent: text });
  return { field, label, node: element("div", { className: "immune-row" }, label, field) };
};

const textRow = (text, properties = {}) => row(element("input", { type: "text", ...quiet, ...properties }), text);

const button = (text, act, properties = {}) => {
  const node = keyboardSafe(element("button", { type: "button", textContent: text, ...properties }));
  if (act) node.addEventListener("click", act);
  return node;
};

const choices = (pairs, label, act) => {
  const buttons = pairs.map(([value, text]) => {
    const node = button(text, () => act(value));
    node.dataset.value = value;
    return node;
  });
  const node = element("div", { className: "immune-choices", role: "group", ariaLabel: label }, ...buttons);
  const set = (value) => buttons.forEach((one) => { one.ariaPressed = String(one.dataset.value === value); });
  return { node, set };
};

const folded = (summary, ...children) =>
  element("details", {}, keyboardSafe(element("summary", { textContent: summary })), ...children);

const onEnter = (field, act) =>
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault(); // JupyterLab swallows the key press that would submit by itself
    act();
  });

const copyButton = (text, what) => {
  const node = button(text, async () => {
    const { value, shown } = what();
    try {
      await navigator.clipboard.writeText(value);
      node.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown); // no clipboard here: one key press away
      node.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { node.textContent = text; }, 2000);
  });
  return node;
};

// Whether a message went; it cannot where the kernel was shut down under us, and then the view says what to run.
const tell = (model, root, message) => {
  try {
    model.send(message);
    return true;
  } catch {
    root.classList.add("immune-gone");
    return false;
  }
};

const fill = (select, pairs, chosen) =>
  select.replaceChildren(
    ...pairs.map(([value, text]) => element("option", { value, textContent: text, selected: value === chosen })));

const timeLeft = (expiresAt) => {
  if (!expiresAt) return "";
  const minutes = Math.floor((expiresAt * 1000 - Date.now()) / 60000);
  if (minutes < 0) return "renews with the next query";
  if (minutes < 1) return "under a minute left";
  return minutes < 120 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h left`;
};
