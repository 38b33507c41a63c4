/** A certificate for `localhost` with an authority of its own, by openssl. */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Certificate {
  cert: string;
  key: string;
  /** What makes a process of any of the runtimes trust it. */
  trust: Record<string, string>;
}

/** Whether there is openssl. */
export const hasOpenssl: boolean = spawnSync("openssl", ["version"]).status === 0;

/** Writes the files into the directory. */
export async function localCertificate(directory: string): Promise<Certificate> {
  const at = (name: string) => join(directory, name);
  const make = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl([...make, "-x509", "-subj", "/CN=millrace test", "-keyout", at("ca.key"), "-out", at("ca.pem")]);
  openssl([...make, "-subj", "/CN=localhost", "-keyout", at("key.pem"), "-out", at("request.pem")]);
  await writeFile(at("extensions"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n");
  const signer = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-set_serial", "1", "-extfile", at("extensions")];
  openssl(["x509", "-req", "-in", at("request.pem"), ...signer, "-out", at("cert.pem")]);
  return {
    cert: at("cert.pem"),
    key: at("key.pem"),
    trust: { NODE_EXTRA_CA_CERTS: at("ca.pem"), DENO_CERT: at("ca.pem") },
  };
}

function openssl(args: string[]): void {
  const { status, stderr } = spawnSync("openssl", args);
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}
