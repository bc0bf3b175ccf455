// A sign-in underway: where to go, what to type there, how long there is. The link and the code are drawn once per
// sign-in and then left alone, so that a selection stays; only the clock changes.

const HERE = ["localhost", "127.0.0.1", "[::1]"];
const DOING = {
  browser: "Waiting for you to sign in on that page",
  device: "Waiting for you to enter the code on that page",
};

const clockLeft = (expiresAt) => {
  const seconds = Math.max(0, Math.round(expiresAt - Date.now() / 1000));
  return seconds ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left` : "its time is over";
};

function signInArea(model, ask) {
  const lead = element("p", { className: "immune-lead" });
  const warning = element("p", { className: "immune-warning", role: "alert" });
  const link = keyboardSafe(element("a", { className: "immune-link", target: "_blank", rel: "noopener noreferrer" }));
  const hint = element("p", { className: "immune-hint" });
  const code = element("output", { className: "immune-code", ariaLabel: "Code" });
  const codeLine = element("div", { className: "immune-code-line" },
    code, copyButton("Copy code", () => ({ value: code.textContent, shown: code })));
  const doing = element("span");
  const clock = element("span", { className: "immune-clock" });
  const spinner = element("span", { className: "immune-spinner", ariaHidden: "true" });
  const wait = element("p", { className: "immune-wait", role: "status" }, spinner, doing, clock);
  clock.ariaLive = "off";
  const address = textRow("Address");
  const paste = () => {
    if (!address.field.value.trim()) return address.field.focus();
    ask({ do: "paste", address: address.field.value });
    address.field.value = "";
  };
  onEnter(address.field, paste);
  address.node.append(button("Use it", paste));
  const pasting = folded("The browser ends at a page that cannot be reached?",
    element("p", {
      className: "immune-hint",
      textContent: "The kernel is on another computer. Copy the whole address of that page, and paste it here.",
    }), address.node);
  const actions = element("div", { className: "immune-actions" },
    copyButton("Copy link", () => ({ value: link.href, shown: link })), button("Cancel", () => ask({ do: "cancel" })));
  const node = element("div", { className: "immune-sign-in" }, lead, link, hint, warning, codeLine, wait, pasting, actions);

  let shown = {};
  const tick = () => {
    if (shown.id) clock.textContent = clockLeft(shown.expires_at);
  };

  const askForTheLink = () => {
    try {
      model.send({ do: "link" }); // it is not part of the state: it holds what is good for one login
    } catch {
      link.textContent = "Run %immune login again."; // a notebook opened anew, without its kernel
    }
  };

  const draw = () => {
    const now = model.get("sign_in");
    node.hidden = !now.id;
    if (now.id !== shown.id) {
      shown = now;
      lead.textContent = now.id ? `Sign in to ${now.profile} at ${now.host}` : "";
      code.textContent = now.code ?? "";
      codeLine.hidden = !now.code;
      hint.textContent = now.hint ?? "";
      hint.hidden = !now.hint;
      warning.textContent = now.warning ?? "";
      warning.hidden = !now.warning;
      doing.textContent = DOING[now.method] ?? "";
      pasting.hidden = now.method !== "browser";
      pasting.open = !HERE.includes(location.hostname);
      link.textContent = "";
      link.removeAttribute("href");
      if (now.id) askForTheLink();
    }
    tick();
  };

  const hear = (message) => {
    if (!message.link || link.href) return;
    link.href = message.link;
    const { host, pathname } = new URL(message.link);
    link.textContent = `${host}${pathname}`;
    if (node.contains(document.activeElement) || document.activeElement === document.body) {
      link.focus({ preventScroll: true });
    }
  };

  return { node, draw, hear, tick };
}
