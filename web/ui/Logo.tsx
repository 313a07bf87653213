/** Three feature maps, one behind the other. */
export function Logo() {
  return (
    <svg class="logo" width="26" height="26" viewBox="0 0 26 26" aria-hidden="true">
      <rect class="logo-c" x="9.5" y="2.5" width="14" height="14" rx="3" />
      <rect class="logo-b" x="6" y="6" width="14" height="14" rx="3" />
      <rect class="logo-a" x="2.5" y="9.5" width="14" height="14" rx="3" />
    </svg>
  );
}
