/** The script of the frame that starts the reader's code. Its hash is in the page's policy (`build/policy.ts`), so it may not be built. */
export const FRAME_SCRIPT = `addEventListener("message",({data,ports})=>{const w=new Worker(URL.createObjectURL(new Blob([data],{type:"text/javascript"})));w.onerror=e=>{e.preventDefault();parent.postMessage({convnets:"failed",message:e.message,line:e.lineno},"*")};w.postMessage(null,ports)});parent.postMessage({convnets:"ready"},"*")`;

/** No network, no storage, nothing but this script and workers made of text. */
export const FRAME_POLICY = "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:";
