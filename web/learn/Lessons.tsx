import "../style/learn.css";
import { ArrowLeft, ArrowRight, Check, X } from "lucide";
import { Fragment } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { language } from "../state/preferences.ts";
import { formatRoute, type Route, route } from "../state/route.ts";
import { Icon } from "../ui/Icon.tsx";
import { Revealed } from "./answer.tsx";
import { resultOf, start } from "./lab/state.ts";
import { PlayBar } from "./PlayBar.tsx";
import type { Page } from "./page.ts";
import { PAGES } from "./pages/index.ts";
import { change, PREDICTION, SKIPPED, settingsOf } from "./settings.ts";
import { say, word } from "./words.ts";

/** An address that is as this one but for some fields. */
function address(changes: Partial<Route>): string {
  const { idea, set, selected, variant, side, classes, form, ...rest } = route.value;
  return formatRoute({ ...rest, ...changes } as Route);
}

const addressOf = (page: Page) => address({ panel: "learn", idea: page.id });

/** The pages of the study note, of which one is shown. */
export function Lessons() {
  const { idea } = route.value;
  const at = Math.max(
    0,
    PAGES.findIndex(({ id }) => id === idea),
  );
  const current = PAGES[at]!;
  const scrolled = useRef<HTMLElement>(null);
  // another page starts at its top
  useEffect(() => scrolled.current?.scrollTo(0, 0), [current.id]);
  useEffect(() => {
    const title = scrolled.current?.querySelector('.ideas [aria-current="page"]');
    title?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [current.id, language.value]);
  return (
    <main class="learn" ref={scrolled}>
      <div class="learn-in">
        <nav class="ideas" aria-label={word("ideas")}>
          <ol>
            {PAGES.map((page) => (
              <li key={page.id}>
                <a href={addressOf(page)} aria-current={page === current ? "page" : undefined}>
                  {page[language.value].title}
                </a>
              </li>
            ))}
          </ol>
        </nav>
        <Lesson key={current.id} page={current} before={PAGES[at - 1]} after={PAGES[at + 1]} number={at + 1} />
      </div>
    </main>
  );
}

interface LessonProps {
  readonly page: Page;
  readonly number: number;
  readonly before: Page | undefined;
  readonly after: Page | undefined;
}

function Lesson({ page, number, before, after }: LessonProps) {
  const { Figure, Controls } = page;
  const words = page[language.value];
  const ranges = { ...page.ranges, p: PREDICTION };
  const values = settingsOf(ranges);
  const set = (changes: Record<string, number | undefined>) =>
    change(ranges, values, changes as Record<string, number>);
  const question = page.question?.(values);
  const measured = question && resultOf(question);
  const result = page.compute(values, measured);
  const predicted = values.p;
  const revealed = predicted > 0;
  const props = { values, result, revealed, set };
  const right = page.right(result);
  /** Whether there is anything to tell: an experiment that is measured has to end first. */
  const isDone = !question || measured?.done === true;
  const predict = (p: number) => {
    set({ p });
    if (question && !measured) start(question);
  };
  return (
    <article class="lesson" aria-labelledby="claim">
      <header>
        <p class="eyebrow">
          {number} · {page.source}
        </p>
        <h2 id="claim">
          <Phrases text={words.claim} />
        </h2>
      </header>
      <section class="predict" aria-labelledby="question">
        <h3>{word("predict")}</h3>
        <p class="question" id="question">
          {words.question}
        </p>
        <div class="choices" role="group" aria-labelledby="question">
          {words.choices.map((choice, i) => (
            <button
              key={choice}
              type="button"
              aria-pressed={predicted === i + 1}
              class={verdict(predicted, i, right)}
              onClick={() => predict(i + 1)}
            >
              <span>{choice}</span>
              {revealed && i === right && <Icon icon={Check} />}
              {right !== undefined && predicted === i + 1 && i !== right && <Icon icon={X} />}
            </button>
          ))}
        </div>
        {predicted === 0 && (
          <button type="button" class="skip-prediction" onClick={() => predict(SKIPPED)}>
            {word("skip")}
          </button>
        )}
      </section>
      <section class="experiment" aria-label={word("experiment")}>
        <Revealed.Provider value={revealed}>
          <Figure {...props} />
          <div class="controls">
            <p class="task">{words.task}</p>
            {question && <PlayBar question={question} />}
            <Controls {...props} />
          </div>
        </Revealed.Provider>
      </section>
      <div class="outcome" aria-live="polite">
        {revealed && !isDone && (
          <section>
            <h3>{word("happened")}</h3>
            <p>{word("measuring")}</p>
          </section>
        )}
        {revealed && isDone && (
          <>
            <section>
              <h3>{word("happened")}</h3>
              <p class="happened">
                {predicted !== SKIPPED && right !== undefined && (
                  <b>
                    {word(predicted === right + 1 ? "right" : "wrong")}
                    {say(" ", "")}
                  </b>
                )}
                {words.happened(result)}
              </p>
              <div class="formula">{words.formula(result)}</div>
            </section>
            <section>
              <h3>{word("why")}</h3>
              <p>{words.why(result)}</p>
            </section>
            <section>
              <h3>{word("where")}</h3>
              <p>{words.where(result)}</p>
              <a
                class="button into-explore"
                href={address({ open: [], edits: [], ...page.explore(values), panel: "explore" })}
              >
                {words.link}
                <Icon icon={ArrowRight} size={16} />
              </a>
            </section>
          </>
        )}
      </div>
      <footer>
        {before && (
          <a href={addressOf(before)}>
            <Icon icon={ArrowLeft} size={16} />
            {before[language.value].title}
          </a>
        )}
        {after && (
          <a class="next" href={addressOf(after)}>
            {after[language.value].title}
            <Icon icon={ArrowRight} size={16} />
          </a>
        )}
      </footer>
    </article>
  );
}

/** A heading that breaks between words only, also where they have no spaces between them. */
function Phrases({ text }: { readonly text: string }) {
  if (language.value !== "zh" || !("Segmenter" in Intl)) return <>{text}</>;
  const words = Array.from(new Intl.Segmenter("zh", { granularity: "word" }).segment(text), ({ segment }) => segment);
  return (
    <>
      {words.map((one, i) => (
        <Fragment key={i}>
          {i > 0 && !/^\p{P}/u.test(one) && <wbr />}
          {one}
        </Fragment>
      ))}
    </>
  );
}

function verdict(predicted: number, choice: number, right: number | undefined): string {
  if (predicted === 0) return "";
  if (right === undefined) return predicted === choice + 1 ? "is-chosen" : "is-other";
  if (choice === right) return "is-right";
  return predicted === choice + 1 ? "is-wrong" : "is-other";
}
