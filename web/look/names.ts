import { t } from "../text/index.ts";
import { opened } from "./state.ts";

/** The name of a class, or its number. */
export const className = (label: number): string => opened.value?.classes[label] ?? t("classNumber", { label });
