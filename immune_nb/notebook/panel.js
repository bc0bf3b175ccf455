// The login panel. What is typed into the secret field lives in that field and in one message, sent on submit;
// it is never part of the model, so it is in no widget state and no saved notebook.

const METHODS = { key: "API key", client: "Client credentials", token: "Access token" };
const SECRETS = { key: "API key", client: "Client secret", token: "Access token" };
const PATIENCE = 2000; // ms until a silent kernel is explained
const WAITING = "Waiting for the kernel: it answers when the running cell has ended. After a restart, run %immune login again.";

const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const row = (field, text) => {
  field.id = `immune-${crypto.randomUUID()}`;
  const label = element("label", { htmlFor: field.id, textContent: text });
  return { field, label, node: element("div", { className: "immune-row" }, label, field) };
};

const choices = (pairs, chosen) =>
  pairs.map(([value, text]) => element("option", { value, textContent: text, selected: value === chosen }));

const timeLeft = (expiresAt) => {
  if (!expiresAt) return "";
  const minutes = Math.floor((expiresAt * 1000 - Date.now()) / 60000);
  if (minutes < 0) return "renews with the next query";
  if (minutes < 1) return "under a minute left";
  return minutes < 120 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h left`;
};

function build(model) {
  const profiles = model.get("profiles");
  const quiet = { autocomplete: "off", spellcheck: false, autocapitalize: "off" };
  const ui = {
    profile: row(element("select", {}, ...choices(profiles.map((p) => [p.name, p.name]), model.get("profile"))), "Profile"),
    method: row(element("select", {}, ...choices(Object.entries(METHODS), model.get("method"))), "Method"),
    client: row(element("input", { type: "text", ...quiet }), "Client id"),
    secret: row(element("input", { type: "password", ...quiet }), ""),
    host: element("span", { className: "immune-host" }),
    hint: element("p", { className: "immune-hint" }),
    connect: element("button", { type: "submit", className: "immune-connect", textContent: "Connect" }),
    logout: element("button", { type: "button", textContent: "Log out" }),
    status: element("p", { className: "immune-status", role: "status" }),
    notice: element("p", { className: "immune-notice", role: "status" }),
  };
  ui.notice.ariaLive = "polite";
  const actions = element("div", { className: "immune-actions" }, ui.connect, ui.logout);
  ui.form = element("form", { ...quiet, noValidate: true },
    ui.profile.node, ui.method.node, ui.client.node, ui.secret.node, ui.hint, actions);
  const title = element("header", {}, element("strong", { textContent: "Log in" }), ui.host);
  const dead = element("p", {
    className: "immune-dead",
    textContent: "This panel is from an earlier kernel. Run %immune login for a new one.",
  });
  ui.root = element("section", { className: "immune-panel", ariaLabel: "Log in to a sensor API" },
    title, ui.form, ui.status, ui.notice, dead);
  for (const node of [ui.profile.field, ui.method.field, ui.connect, ui.logout]) {
    node.dataset.lmSuppressShortcuts = "true"; // else a letter typed here is a notebook command: d, d deletes the cell
  }
  return ui;
}

function render({ model, el }) {
  const ui = build(model);
  let waiting = null;

  const say = (text, tone = "info") => {
    ui.notice.textContent = text;
    ui.notice.dataset.tone = tone;
  };

  const busy = (on) => {
    clearTimeout(waiting);
    ui.form.ariaBusy = String(on);
    ui.connect.ariaDisabled = String(on);
    waiting = on ? setTimeout(() => say(WAITING), PATIENCE) : null;
  };

  const chosen = () => model.get("profiles").find((p) => p.name === ui.profile.field.value) ?? {};

  const draw = () => {
    const profile = chosen();
    const login = model.get("logins")[profile.name];
    const method = ui.method.field.value;
    ui.host.textContent = profile.host ?? "";
    ui.client.node.hidden = method !== "client";
    ui.secret.label.textContent = SECRETS[method];
    ui.hint.textContent = profile.hint ?? "";
    ui.hint.hidden = !profile.hint;
    ui.logout.hidden = !login;
    ui.status.hidden = !login;
    ui.status.textContent = login ? [login.text, timeLeft(login.expires_at)].filter(Boolean).join(" · ") : "";
  };

  const missing = () => {
    const needed = ui.method.field.value === "client" ? [ui.client, ui.secret] : [ui.secret];
    return chosen().hint ? null : needed.find(({ field }) => !field.value.trim());
  };

  const ask = (message) => {
    busy(true);
    say(message.do === "connect" ? "Connecting…" : "Logging out…");
    try {
      model.send({ ...message, profile: ui.profile.field.value });
    } catch {
      busy(false);
      ui.root.classList.add("immune-gone"); // the kernel was shut down under us
    }
  };

  ui.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (ui.form.ariaBusy === "true") return;
    const empty = missing();
    if (empty) {
      say(`${empty.label.textContent} is empty.`, "error");
      empty.field.focus();
      return;
    }
    ask({
      do: "connect",
      method: ui.method.field.value,
      client_id: ui.client.field.value.trim(),
      secret: ui.secret.field.value,
    });
    ui.secret.field.value = "";
  });
  for (const { field } of [ui.client, ui.secret]) {
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault(); // JupyterLab swallows the key press that would submit by itself
      ui.form.requestSubmit();
    });
  }
  ui.logout.addEventListener("click", () => {
    ui.connect.focus(); // the button goes away; the keyboard must not
    ask({ do: "logout" });
  });
  for (const { field } of [ui.profile, ui.method]) {
    field.addEventListener("change", () => {
      ui.secret.field.value = ""; // what was typed was meant for the other one
      say("");
      draw();
    });
  }

  const listen = (name, hear) => {
    model.on(`change:${name}`, hear);
    return () => model.off(`change:${name}`, hear);
  };
  const hush = [
    listen("logins", draw),
    listen("notice", () => {
      busy(false);
      say(model.get("notice").text, model.get("notice").tone);
    }),
  ];
  const clock = setInterval(draw, 15000);
  draw();
  el.append(ui.root);
  return () => {
    clearInterval(clock);
    clearTimeout(waiting);
    hush.forEach((stop) => stop());
  };
}

export default { render };
