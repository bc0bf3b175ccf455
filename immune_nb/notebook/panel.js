// The login panel. What is typed into the secret field lives in that field and in one message, sent on submit;
// it is never part of the model, so it is in no widget state and no saved notebook.

const METHODS = {
  browser: "Browser sign-in",
  device: "Device code",
  key: "API key",
  client: "Client credentials",
  token: "Access token",
};
const SECRETS = { key: "API key", client: "Client secret", token: "Access token" };
const CUSTOM = "custom";
const ADDRESSES = {
  base_url: "API address",
  issuer: "Issuer",
  authorize_url: "Authorize URL",
  token_url: "Token URL",
  device_url: "Device URL",
  redirect_uri: "Redirect URI",
};
const BY_ISSUER = 2; // so many of them do; the others are for servers that do not say where they are
const PATIENCE = 2000; // ms until a silent kernel is explained
const WAITING = "Waiting for the kernel: it answers when the running cell has ended. After a restart, run %immune login again.";
const DOING_NOW = { connect: "Connecting…", logout: "Logging out…", renew: "Renewing…", cancel: "Cancelling…", paste: "Checking…" };

function build(model) {
  const asked = model.get("asked");
  const known = model.get("profiles").map((p) => [p.name, p.name]).filter(([name]) => name !== CUSTOM);
  const ui = {
    profile: row(keyboardSafe(element("select")), "Profile"),
    method: row(keyboardSafe(element("select")), "Method"),
    client: textRow("Client id"),
    secret: row(element("input", { type: "password", ...quiet }), ""),
    scopes: textRow("Scopes", { value: asked.scopes ?? "" }),
    remember: keyboardSafe(element("input", { type: "checkbox", checked: Boolean(asked.remember) })),
    host: element("span", { className: "immune-host" }),
    hint: element("p", { className: "immune-hint" }),
    connect: keyboardSafe(element("button", { type: "submit", className: "immune-connect" })),
    renew: button("Renew"),
    logout: button("Log out"),
    status: element("p", { className: "immune-status", role: "status" }),
    notice: element("p", { className: "immune-notice", role: "status" }),
  };
  ui.notice.ariaLive = "polite";
  fill(ui.profile.field, [...known, [CUSTOM, "custom…"]], model.get("profile"));
  ui.addresses = Object.fromEntries(Object.entries(ADDRESSES).map(([name, text]) => [name, textRow(text)]));
  const nodes = Object.values(ui.addresses).map(({ node }) => node);
  ui.custom = element("div", {},
    ...nodes.slice(0, BY_ISSUER), folded("Addresses, where there is no issuer", ...nodes.slice(BY_ISSUER)));
  ui.tick = element("label", { className: "immune-tick" }, ui.remember, `Remember, in ${model.get("keeps")}`);
  ui.account = element("div", { className: "immune-actions" }, ui.renew, ui.logout);
  ui.form = element("form", { ...quiet, noValidate: true },
    ui.profile.node, ui.custom, ui.method.node, ui.client.node, ui.secret.node, ui.scopes.node, ui.hint, ui.tick, element("div", { className: "immune-actions" }, ui.connect));
  ui.other = folded("Log in with something else", ui.form);
  ui.other.className = "immune-form";
  return ui;
}

function render({ model, el }) {
  const ui = build(model);
  let waiting = null;
  let asked = "";
  let wasIn = false; // to the chosen profile

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

  const ask = (message) => {
    busy(true);
    asked = message.do;
    say(DOING_NOW[message.do]);
    if (!tell(model, root, { ...message, profile: ui.profile.field.value })) busy(false);
  };

  const area = signInArea(model, ask);
  const lead = element("strong", { className: "immune-who" });
  const title = element("header", {}, lead, ui.host);
  const dead = element("p", {
    className: "immune-dead",
    textContent: "This panel is from an earlier kernel. Run %immune login for a new one.",
  });
  const root = element("section", { className: "immune-panel", ariaLabel: "Log in to a sensor API" },
    title, ui.status, ui.account, ui.other, area.node, ui.notice, dead);

  const chosen = () =>
    model.get("profiles").find((p) => p.name === ui.profile.field.value) ?? { name: CUSTOM, methods: Object.keys(METHODS) };

  const offer = () => {
    const profile = chosen();
    const methods = profile.name === CUSTOM ? Object.keys(METHODS) : profile.methods;
    const wanted = [ui.method.field.value, model.get("method"), methods[0]].find((name) => methods.includes(name));
    fill(ui.method.field, methods.map((name) => [name, METHODS[name]]), wanted);
    ui.client.field.value = profile.client_id ?? "";
    ui.scopes.field.placeholder = profile.scopes ?? "";
  };

  const loginOf = (profile) => model.get("logins")[profile.name];

  // Who is in needs the form no more, unless for something else; a login that goes leaves the form.
  const fold = () => {
    const isIn = Boolean(loginOf(chosen()));
    if (isIn !== wasIn) ui.other.open = !isIn;
    wasIn = isIn;
  };

  const draw = () => {
    const profile = chosen();
    const login = loginOf(profile);
    const method = ui.method.field.value;
    const signsIn = method === "browser" || method === "device";
    ui.other.hidden = Boolean(model.get("sign_in").id);
    ui.other.firstChild.hidden = !login;
    lead.textContent = login?.who ?? "Log in";
    title.hidden = ui.other.hidden && !login; // the sign-in has a line of its own
    ui.host.textContent = ui.other.hidden ? "" : profile.host ?? ""; // the sign-in names its own
    ui.custom.hidden = profile.name !== CUSTOM;
    ui.client.node.hidden = !signsIn && method !== "client";
    ui.scopes.node.hidden = ui.client.node.hidden;
    ui.secret.label.textContent = SECRETS[method] ?? "Client secret";
    ui.secret.field.placeholder = signsIn ? "only if the client has one" : "";
    ui.hint.textContent = profile.hint ?? "";
    ui.hint.hidden = !profile.hint || signsIn;
    ui.connect.textContent = signsIn ? "Sign in" : "Connect";
    ui.account.hidden = !login;
    ui.renew.hidden = !login?.renewable;
    ui.status.hidden = !login;
    ui.status.textContent = login ? [login.text, timeLeft(login.expires_at)].filter(Boolean).join(" · ") : "";
    area.draw();
  };

  const missing = () => {
    const needed = { client: [ui.client, ui.secret], browser: [ui.client], device: [ui.client] }[ui.method.field.value];
    const addresses = chosen().name === CUSTOM ? [ui.addresses.base_url] : [];
    return chosen().hint ? null : [...addresses, ...(needed ?? [ui.secret])].find(({ field }) => !field.value.trim());
  };

  const connect = () => {
    if (ui.form.ariaBusy === "true") return;
    const empty = missing();
    if (empty) {
      say(`${empty.label.textContent} is empty.`, "error");
      empty.field.focus();
      return;
    }
    const scopes = ui.scopes.node.hidden ? "" : ui.scopes.field.value.trim();
    ask({
      do: "connect",
      method: ui.method.field.value,
      client_id: ui.client.field.value.trim(),
      scopes: scopes || null,
      remember: ui.remember.checked,
      secret: ui.secret.field.value,
      custom: chosen().name === CUSTOM
        ? Object.fromEntries(Object.entries(ui.addresses).map(([name, { field }]) => [name, field.value]))
        : null,
    });
    ui.secret.field.value = "";
  };

  ui.form.addEventListener("submit", (event) => {
    event.preventDefault();
    connect();
  });
  for (const { field } of [ui.client, ui.secret, ui.scopes, ...Object.values(ui.addresses)]) onEnter(field, connect);
  ui.renew.addEventListener("click", () => ask({ do: "renew" }));
  ui.logout.addEventListener("click", () => {
    ui.other.open = true;
    ui.connect.focus(); // the button goes away; the keyboard must not
    ask({ do: "logout" });
  });
  for (const { field } of [ui.profile, ui.method]) {
    field.addEventListener("change", () => {
      ui.secret.field.value = ""; // what was typed was meant for the other one
      say("");
      if (field === ui.profile.field) offer();
      wasIn = Boolean(loginOf(chosen())); // the form stays as it is: it is in use
      draw();
    });
  }

  const listen = (name, hear) => {
    model.on(name, hear);
    return () => model.off(name, hear);
  };
  const hush = [
    listen("change:logins", fold),
    ...["logins", "profiles", "sign_in"].map((name) => listen(`change:${name}`, draw)),
    listen("change:notice", () => {
      busy(false);
      if (asked === "connect" && wasIn) ui.other.open = model.get("notice").tone === "error";
      asked = "";
      say(model.get("notice").text, model.get("notice").tone);
    }),
    listen("msg:custom", area.hear),
  ];
  const clocks = [setInterval(draw, 15000), setInterval(area.tick, 1000)];
  offer();
  ui.client.field.value = model.get("asked").client_id || ui.client.field.value;
  ui.other.open = true;
  fold();
  draw();
  el.append(root);
  return () => {
    clocks.forEach(clearInterval);
    clearTimeout(waiting);
    hush.forEach((stop) => stop());
  };
}

export default { render };
