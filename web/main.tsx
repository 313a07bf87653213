import "./style/fonts.css";
import "./style/base.css";
import "./style/stage.css";
import "./style/map.css";
import "./style/card.css";
import "./style/panels.css";
import "./style/look.css";
import "./style/dialogs.css";
import "./style/write.css";
import { render } from "preact";
import { App } from "./app.tsx";

render(<App />, document.getElementById("app")!);

// offline after the first visit; while working on the page itself there is nothing to keep
if (import.meta.env.PROD && "serviceWorker" in navigator)
  navigator.serviceWorker.register(new URL("./offline.js", document.baseURI)).catch(() => {
    // a page opened from a file, or a browser without storage, works online only
  });
