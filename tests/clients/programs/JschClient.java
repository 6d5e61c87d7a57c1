// SPDX-License-Identifier: Apache-2.0
import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import java.io.File;

/** JSch, as the programs on it do things. */
public final class JschClient {
	private static ChannelSftp connect() throws Exception {
		Session session = new JSch().getSession(Base.USER, Base.HOST,
				Base.port("SFTP_PORT"));
		session.setPassword(Base.PASSWORD);
		session.setConfig("StrictHostKeyChecking", "no");
		session.connect();
		ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
		sftp.connect();
		return sftp;
	}

	private static void upload(String file, String path) throws Exception {
		ChannelSftp sftp = connect();
		sftp.put(file, path);
		sftp.getSession().disconnect();
	}

	/* Its thread would live on behind an exception. */
	public static void main(String[] a) {
		try {
			run(a);
		} catch (Exception e) {
			e.printStackTrace();
			System.exit(1);
		}
	}

	private static void run(String[] a) throws Exception {
		if (a[0].equals("version")) {
			System.out.println(JSch.VERSION);
			return;
		}
		if (a[0].equals("parallel")) {
			Base.parallel(a[1], a[2], JschClient::upload);
			return;
		}
		ChannelSftp sftp = connect();
		switch (a[0]) {
		case "upload" -> sftp.put(a[1], a[2]);
		case "upload_timed" -> {
			sftp.put(a[1], a[2]);
			sftp.setMtime(a[2],
					(int) (new File(a[1]).lastModified() / 1000));
		}
		case "resume" -> sftp.put(a[1], a[2], ChannelSftp.RESUME);
		case "download" -> sftp.get(a[1], a[2]);
		case "download_rest" -> sftp.get(a[1], a[2], null,
				ChannelSftp.RESUME);
		case "list" -> {
			for (Object entry : sftp.ls(a[1])) {
				System.out.println(
						((ChannelSftp.LsEntry) entry).getLongname());
			}
		}
		case "rename_file" -> sftp.rename(a[1], a[2]);
		case "make_folder" -> sftp.mkdir(a[1]);
		case "remove_folder" -> sftp.rmdir(a[1]);
		default -> throw new IllegalArgumentException(a[0]);
		}
		sftp.getSession().disconnect();
	}
}
