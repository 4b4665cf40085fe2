// The only place where a string becomes the address of a script (Trusted
// Types): our two workers, and nothing from outside this origin.

interface Policy {
  createScriptURL(address: string): string;
}

interface Factory {
  createPolicy(name: string, rules: Policy): Policy;
}

const rules: Policy = {
  createScriptURL(address) {
    const url = new URL(address, location.href);
    if (url.origin !== location.origin) throw new TypeError("a script of another origin");
    return url.href;
  },
};

const policy = (globalThis as { trustedTypes?: Factory }).trustedTypes?.createPolicy("koyomi", rules) ?? rules;

export function script(address: string): string {
  return policy.createScriptURL(address);
}
