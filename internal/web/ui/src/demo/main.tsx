import "../look/tokens.css";
import "../look/base.css";
import "./demo.css";
import "./calendar.css";
import { render } from "preact";
import { choose, Words } from "../words/words";
import { API } from "./api";
import { Page } from "./page";
import { sayer } from "./words";

const { language, locale } = choose(navigator.languages);
const words = new Words(language, locale);
const say = sayer(language);
document.documentElement.lang = language;
document.title = say("title");
render(<Page api={new API((url, init) => fetch(url, init))} say={say} words={words} />, document.getElementById("demo")!);
