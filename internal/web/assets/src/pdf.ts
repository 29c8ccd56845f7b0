// Shows the pages of a PDF with pdf.js: each a .page that marks can be laid over, with its canvas drawn when it comes near
// the window, so that a long document opens at once and a phone's memory holds.
import * as pdfjs from "pdfjs-dist";

pdfjs.GlobalWorkerOptions.workerSrc = "/assets/pdf.worker.js";

export interface Page { element: HTMLElement; widthPt: number; heightPt: number; viewport: pdfjs.PageViewport }

// Past this many pages a browser's scroll height and this loop become slow; the place on a later page can still be typed.
const maxPages = 2000;

/** showPages fills `into` with the document's pages, `all` at once instead of when they come near. Each says data-drawn when its canvas is complete. */
export async function showPages(data: ArrayBuffer, into: HTMLElement, all = false): Promise<Page[]> {
  const doc = await pdfjs.getDocument({ data, isEvalSupported: false, enableXfa: false }).promise;
  const pages: Page[] = [];
  const draw = async (proxy: pdfjs.PDFPageProxy, element: HTMLElement, widthPt: number) => {
    const viewport = proxy.getViewport({ scale: (Math.min(2, devicePixelRatio) * Math.max(element.clientWidth, 320)) / widthPt });
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(viewport.width);
    canvas.height = Math.round(viewport.height);
    element.prepend(canvas);
    await proxy.render({ canvasContext: canvas.getContext("2d")!, viewport, annotationMode: pdfjs.AnnotationMode.ENABLE }).promise;
    element.dataset.drawn = "";
    element.dispatchEvent(new Event("drawn"));
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      const element = entry.target as HTMLElement;
      const n = Number(element.dataset.page);
      void doc.getPage(n).then((proxy) => draw(proxy, element, pages[n - 1].widthPt)).catch(() => (element.dataset.failed = ""));
    }
  }, { rootMargin: "800px" });
  into.replaceChildren();
  for (let n = 1; n <= Math.min(doc.numPages, maxPages); n++) {
    const viewport = (await doc.getPage(n)).getViewport({ scale: 1 });
    const element = document.createElement("div");
    element.className = "page";
    element.dataset.page = String(n);
    element.style.aspectRatio = `${viewport.width} / ${viewport.height}`;
    into.append(element);
    pages.push({ element, widthPt: viewport.width, heightPt: viewport.height, viewport });
  }
  if (all) {
    for (const page of pages) await draw(await doc.getPage(Number(page.element.dataset.page)), page.element, page.widthPt);
    return pages;
  }
  for (const page of pages) near.observe(page.element);
  return pages;
}
