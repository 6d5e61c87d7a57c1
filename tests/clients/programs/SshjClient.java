// SPDX-License-Identifier: Apache-2.0
import java.io.File;
import net.schmizz.sshj.SSHClient;
import net.schmizz.sshj.sftp.RemoteResourceInfo;
import net.schmizz.sshj.sftp.SFTPClient;
import net.schmizz.sshj.transport.verification.PromiscuousVerifier;

/** sshj, as the programs on it do things. It keeps times by itself. */
public final class SshjClient {
	private static SSHClient connect() throws Exception {
		SSHClient ssh = new SSHClient();
		ssh.addHostKeyVerifier(new PromiscuousVerifier());
		ssh.connect(Base.HOST, Base.port("SFTP_PORT"));
		ssh.authPassword(Base.USER, Base.PASSWORD);
		return ssh;
	}

	private static void upload(String file, String path) throws Exception {
		SSHClient ssh = connect();
		try (SFTPClient sftp = ssh.newSFTPClient()) {
			sftp.put(file, path);
		}
		ssh.disconnect();
	}

	private static void list(SFTPClient sftp, String path) throws Exception {
		for (RemoteResourceInfo r : sftp.ls(path)) {
			System.out.println(r.getAttributes().getSize() + " " +
					r.getName() + (r.isDirectory() ? "/" : ""));
		}
	}

	private static void run(SFTPClient sftp, String[] a) throws Exception {
		switch (a[0]) {
		case "upload", "upload_timed" -> sftp.put(a[1], a[2]);
		case "resume" -> sftp.getFileTransfer().upload(a[1], a[2],
				sftp.size(a[2]));
		case "download", "download_timed" -> sftp.get(a[1], a[2]);
		case "download_rest" -> sftp.getFileTransfer().download(a[1], a[2],
				new File(a[2]).length());
		case "list" -> list(sftp, a[1]);
		case "rename_file" -> sftp.rename(a[1], a[2]);
		case "make_folder" -> sftp.mkdir(a[1]);
		case "remove_folder" -> sftp.rmdir(a[1]);
		default -> throw new IllegalArgumentException(a[0]);
		}
	}

	public static void main(String[] a) throws Exception {
		if (a[0].equals("version")) {
			String jar = SSHClient.class.getProtectionDomain()
					.getCodeSource().getLocation().getPath();
			System.out.println(jar.replaceAll(".*sshj-(.*)\\.jar", "$1"));
			return;
		}
		if (a[0].equals("parallel")) {
			Base.parallel(a[1], a[2], SshjClient::upload);
			return;
		}
		SSHClient ssh = connect();
		try (SFTPClient sftp = ssh.newSFTPClient()) {
			run(sftp, a);
		}
		ssh.disconnect();
	}
}
