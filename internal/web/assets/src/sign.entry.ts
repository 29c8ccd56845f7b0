// The page on which a document is signed: draws it, and lets the mark be dragged to its place. The form holds the place
// in millimetres from the page's visible top left corner; it can be typed as well.
import { showPages, type Page } from "./pdf";

const MM = 25.4 / 72;
const holder = document.querySelector<HTMLElement>("[data-sign-document]");

async function start(into: HTMLElement) {
  const form = document.querySelector<HTMLFormElement>("[data-sign-form]");
  const status = document.querySelector<HTMLElement>("[data-sign-status]");
  let pages: Page[];
  try {
    const answer = await fetch(into.dataset.signDocument!);
    if (!answer.ok) throw new Error(String(answer.status));
    pages = await showPages(await answer.arrayBuffer(), into);
  } catch {
    if (status) status.textContent = status.dataset.failed ?? "";
    return;
  }
  if (status) status.textContent = "";
  if (!form?.elements.namedItem("key") || !form.elements.namedItem("page")) return; // signed already, nothing to sign with, or no mark to place
  const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement;
  const mark = document.createElement("div");
  mark.tabIndex = 0;
  mark.setAttribute("role", "img");
  // The chosen key decides whether the mark is a signature or a seal.
  const key = field("key") as unknown as HTMLSelectElement;
  const dress = () => {
    const seal = key.selectedOptions[0]?.dataset.seal !== undefined;
    mark.className = "mark" + (seal ? " seal" : "");
    mark.textContent = (seal ? form.dataset.labelSeal : form.dataset.labelPerson) ?? "";
    mark.setAttribute("aria-label", mark.textContent);
    const act = form.querySelector<HTMLElement>("[data-do-seal]");
    if (act) act.textContent = (seal ? act.dataset.doSeal : act.dataset.doPerson) ?? "";
  };
  key.addEventListener("change", dress);
  dress();

  const clamp = (v: number, max: number) => Math.max(0, Math.min(v, max));
  const show = () => {
    const page = pages[clamp(Number(field("page").value) - 1, pages.length - 1)];
    page.element.append(mark);
    const percent = (mm: number, pt: number) => `${(mm / (pt * MM)) * 100}%`;
    mark.style.left = percent(Number(field("x").value), page.widthPt);
    mark.style.top = percent(Number(field("y").value), page.heightPt);
    mark.style.width = percent(Number(field("width").value), page.widthPt);
    mark.style.height = percent(Number(field("height").value), page.heightPt);
  };
  const put = (page: Page, x: number, y: number) => {
    field("page").value = page.element.dataset.page!;
    field("x").value = clamp(x, page.widthPt * MM - Number(field("width").value)).toFixed(1);
    field("y").value = clamp(y, page.heightPt * MM - Number(field("height").value)).toFixed(1);
    show();
  };
  const pageAt = (px: number, py: number) => pages.find((p) => {
    const r = p.element.getBoundingClientRect();
    return px >= r.left && px <= r.right && py >= r.top && py <= r.bottom;
  });

  let grip: { dx: number; dy: number } | undefined;
  mark.addEventListener("pointerdown", (event) => {
    const r = mark.getBoundingClientRect();
    grip = { dx: event.clientX - r.left, dy: event.clientY - r.top };
    mark.setPointerCapture(event.pointerId);
  });
  mark.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const page = pageAt(event.clientX, event.clientY);
    if (!page) return;
    const r = page.element.getBoundingClientRect();
    const mm = (page.widthPt * MM) / r.width;
    put(page, (event.clientX - grip.dx - r.left) * mm, (event.clientY - grip.dy - r.top) * mm);
  });
  const release = () => (grip = undefined);
  mark.addEventListener("pointerup", release);
  mark.addEventListener("pointercancel", release);
  mark.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 1;
    const move: Record<string, [number, number]> = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const by = move[event.key];
    if (!by) return;
    event.preventDefault();
    put(pages[Number(field("page").value) - 1], Number(field("x").value) + by[0], Number(field("y").value) + by[1]);
  });
  for (const name of ["page", "x", "y", "width", "height"]) field(name).addEventListener("input", show);
  show();
  // A person reads the document from its start; the mark waits where it will be.
  const find = form.querySelector<HTMLElement>("[data-show-mark]");
  find?.addEventListener("click", () => {
    mark.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    mark.focus({ preventScroll: true });
  });
  find?.removeAttribute("hidden");
  form.dataset.ready = "";
}

if (holder) void start(holder);
