// What every page may use: the menu on a phone, the theme, live regions, list keys, passkeys. Each page works without
// this script; it adds speed and comfort.

const root = document.documentElement;

const theme = localStorage.getItem("theme");
if (theme) root.dataset.theme = theme;

document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

document.querySelector("[data-menu]")?.addEventListener("click", (event) => {
  const open = document.querySelector(".nav")?.classList.toggle("open") ?? false;
  (event.currentTarget as HTMLElement).setAttribute("aria-expanded", String(open));
});

// A live region: <section id="x" data-live="/events/url"> is fetched again, and only it is replaced, when the server says
// on the event stream that something changed. What the reader has selected or typed outside of it stays.
for (const region of document.querySelectorAll<HTMLElement>("[data-live]")) {
  const source = new EventSource(region.dataset.live!);
  let busy = false;
  let again = false;
  const refresh = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    again = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(region.id);
      const selected = region.querySelector<HTMLElement>("[aria-selected=true]")?.id;
      if (fresh) region.replaceChildren(...fresh.childNodes);
      if (selected) document.getElementById(selected)?.setAttribute("aria-selected", "true");
    } finally {
      busy = false;
    }
    if (again) await refresh();
  };
  source.addEventListener("message", refresh);
}

// List keys: j and k move, enter opens, a presses the row's button marked data-key="a".
const list = document.querySelector<HTMLElement>("[data-list-keys]");
if (list) {
  const rows = () => [...list.querySelectorAll<HTMLElement>("[data-row]")];
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT|BUTTON|A)$/.test(target.tagName)) return;
    const all = rows();
    const at = all.findIndex((row) => row.getAttribute("aria-selected") === "true");
    const select = (i: number) => {
      all.forEach((row, n) => row.setAttribute("aria-selected", String(n === i)));
      all[i]?.scrollIntoView({ block: "nearest" });
    };
    if (event.key === "j") select(Math.min(at + 1, all.length - 1));
    else if (event.key === "k") select(Math.max(at - 1, 0));
    else if (event.key === "Enter" && at >= 0) all[at].querySelector<HTMLAnchorElement>("a[href]")?.click();
    else if (event.key === "a" && at >= 0) all[at].querySelector<HTMLButtonElement>('[data-key="a"]')?.click();
    else return;
    event.preventDefault();
  });
}

// A select or a box that applies by itself; without the script there is a button.
for (const field of document.querySelectorAll<HTMLSelectElement>("[data-submit-on-change]")) {
  field.addEventListener("change", () => field.form?.requestSubmit());
}

// The browser's own control for files speaks the browser's language, not the page's: it is laid unseen over one of ours.
for (const input of document.querySelectorAll<HTMLInputElement>("input[type=file]")) {
  const { fileChoose, fileNone, fileMany } = document.body.dataset;
  const [box, button, name] = ["file", "button small", "name"].map((kind) => Object.assign(document.createElement("span"), { className: kind }));
  const show = () => {
    const files = [...(input.files ?? [])];
    name.textContent = files.length > 1 ? `${files.length} ${fileMany}: ${files.map((f) => f.name).join(", ")}` : (files[0]?.name ?? fileNone ?? "");
    name.classList.toggle("dim", files.length === 0);
  };
  box.style.cssText = input.style.cssText;
  input.removeAttribute("style");
  button.textContent = fileChoose ?? "";
  button.ariaHidden = "true";
  input.replaceWith(box);
  box.append(input, button, name);
  input.addEventListener("change", show);
  input.form?.addEventListener("reset", () => setTimeout(show));
  show();
}

// An area of one's own choosing for files: dropping fills the form's file field.
for (const zone of document.querySelectorAll<HTMLElement>("[data-drop]")) {
  const field = zone.querySelector<HTMLInputElement>("input[type=file]")!;
  const over = (on: boolean) => (event: DragEvent) => {
    event.preventDefault();
    zone.classList.toggle("over", on);
  };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer?.files.length) {
      field.files = event.dataTransfer.files;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}

// Passkeys. A button with data-passkey="register|assert" and data-begin=URL asks the server for options, the authenticator
// for an answer, and puts the answer into its form, which is then submitted like any other.
const bytes = (s: string) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (b: ArrayBuffer | null) => (b ? btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : undefined);

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  button.hidden = false;
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const form = button.form!;
    const said = form.querySelector<HTMLElement>("[data-passkey-error]");
    try {
      const begin = await fetch(button.dataset.begin!, { method: "POST", body: new URLSearchParams(new FormData(form) as unknown as Record<string, string>) });
      if (!begin.ok) throw new Error(await begin.text());
      const { challenge, options } = await begin.json();
      const key = options.publicKey;
      key.challenge = bytes(key.challenge);
      if (key.user) key.user.id = bytes(key.user.id);
      for (const c of [...(key.excludeCredentials ?? []), ...(key.allowCredentials ?? [])]) c.id = bytes(c.id);
      const made = (button.dataset.passkey === "register" ? await navigator.credentials.create({ publicKey: key }) : await navigator.credentials.get({ publicKey: key })) as PublicKeyCredential;
      const r = made.response as AuthenticatorAttestationResponse & AuthenticatorAssertionResponse;
      const answer = {
        id: made.id, rawId: text(made.rawId), type: made.type,
        response: { clientDataJSON: text(r.clientDataJSON), attestationObject: text(r.attestationObject ?? null), authenticatorData: text(r.authenticatorData ?? null), signature: text(r.signature ?? null), userHandle: text(r.userHandle ?? null) },
      };
      (form.elements.namedItem("passkey_challenge") as HTMLInputElement).value = challenge;
      (form.elements.namedItem("passkey_answer") as HTMLInputElement).value = JSON.stringify(answer);
      form.noValidate = true;
      form.submit();
    } catch (error) {
      if (said) said.textContent = said.dataset.passkeyError ?? String(error);
      said?.removeAttribute("hidden");
    }
  });
}
