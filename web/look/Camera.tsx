import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text/index.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { openPicture } from "./picture.ts";

/** A picture from the camera, which is on only while this dialog is open. */
export function Camera({ onClose }: { readonly onClose: () => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const failed = useSignal(false);
  useEffect(() => {
    let stream: MediaStream | undefined;
    let closed = false;
    // a page that came over plain HTTP from another machine has no camera
    const { mediaDevices } = navigator as { readonly mediaDevices?: MediaDevices };
    if (!mediaDevices) {
      failed.value = true;
      return undefined;
    }
    mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false }).then(
      (found) => {
        stream = found;
        if (closed) for (const track of found.getTracks()) track.stop();
        else if (video.current) video.current.srcObject = found;
      },
      () => {
        failed.value = true;
      },
    );
    return () => {
      closed = true;
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
  }, [failed]);
  const take = () => {
    const { videoWidth: width, videoHeight: height } = video.current!;
    if (width === 0) return;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d")!.drawImage(video.current!, 0, 0);
    canvas.toBlob((blob) => blob && openPicture(blob, t("camera")));
    onClose();
  };
  return (
    <Dialog name="camera" label={t("camera")} onClose={onClose}>
      <h2>{t("camera")}</h2>
      {failed.value ? (
        <p role="alert">{t("noCamera")}</p>
      ) : (
        <>
          <video ref={video} autoplay muted playsInline aria-label={t("camera")} />
          <button type="button" class="button is-main" onClick={take}>
            {t("takePicture")}
          </button>
        </>
      )}
    </Dialog>
  );
}
