/** The map of a network in a file of its own: `drawHtml` of the library puts this script and the network into a page. */
import "../style/base.css";
import "../style/map.css";
import "../style/card.css";
import "./page.css";
import { render } from "preact";
import { Page } from "./Page.tsx";

render(<Page />, document.getElementById("app")!);
