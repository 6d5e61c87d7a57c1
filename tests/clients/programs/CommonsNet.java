// SPDX-License-Identifier: Apache-2.0
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.TimeZone;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;
import org.apache.commons.net.util.TrustManagerUtils;

/** Apache commons-net, as the programs on it do things. */
public final class CommonsNet {
	private static FTPClient connect() throws IOException {
		boolean implicit = Base.PROTO.equals("implicit");
		FTPClient ftp;
		if (Base.PROTO.equals("ftp")) {
			ftp = new FTPClient();
		} else {
			FTPSClient ftps = new FTPSClient(implicit);
			ftps.setTrustManager(TrustManagerUtils.getAcceptAllTrustManager());
			ftp = ftps;
		}
		ftp.setControlEncoding("UTF-8");
		ftp.connect(Base.HOST, Base.port(implicit ? "FTPS_PORT" : "FTP_PORT"));
		check(ftp, ftp.login(Base.USER, Base.PASSWORD));
		if (ftp instanceof FTPSClient) {
			((FTPSClient) ftp).execPBSZ(0);
			((FTPSClient) ftp).execPROT("P");
		}
		ftp.enterLocalPassiveMode();
		check(ftp, ftp.setFileType(FTP.BINARY_FILE_TYPE));
		return ftp;
	}

	private static void check(FTPClient ftp, boolean ok) throws IOException {
		if (!ok) {
			throw new IOException(ftp.getReplyString());
		}
	}

	private static void upload(String file, String path) throws Exception {
		FTPClient ftp = connect();
		try (InputStream in = new FileInputStream(file)) {
			check(ftp, ftp.storeFile(path, in));
		}
		ftp.logout();
		ftp.disconnect();
	}

	private static void resume(FTPClient ftp, String file, String path)
			throws IOException {
		long size = Long.parseLong(ftp.getSize(path));
		try (FileInputStream in = new FileInputStream(file)) {
			in.getChannel().position(size);
			ftp.setRestartOffset(size);
			check(ftp, ftp.storeFile(path, in));
		}
	}

	private static void download(FTPClient ftp, String path, String file,
			boolean rest) throws IOException {
		if (rest) {
			ftp.setRestartOffset(new File(file).length());
		}
		try (OutputStream out = new FileOutputStream(file, rest)) {
			check(ftp, ftp.retrieveFile(path, out));
		}
	}

	private static void list(FTPClient ftp, String path) throws IOException {
		for (FTPFile[] some : new FTPFile[][] {
				ftp.listFiles(path), ftp.mlistDir(path) }) {
			for (FTPFile f : some) {
				System.out.println(f.getSize() + " " + f.getName() +
						(f.isDirectory() ? "/" : ""));
			}
		}
	}

	private static void setTime(FTPClient ftp, String file, String path)
			throws IOException {
		SimpleDateFormat format = new SimpleDateFormat("yyyyMMddHHmmss");
		format.setTimeZone(TimeZone.getTimeZone("UTC"));
		check(ftp, ftp.setModificationTime(path,
				format.format(new Date(new File(file).lastModified()))));
	}

	public static void main(String[] a) throws Exception {
		if (a[0].equals("version")) {
			String jar = FTPClient.class.getProtectionDomain()
					.getCodeSource().getLocation().getPath();
			System.out.println(jar.replaceAll(".*net-(.*)\\.jar", "$1"));
			return;
		}
		if (a[0].equals("parallel")) {
			Base.parallel(a[1], a[2], CommonsNet::upload);
			return;
		}
		FTPClient ftp = connect();
		switch (a[0]) {
		case "upload" -> upload(a[1], a[2]);
		case "upload_timed" -> {
			upload(a[1], a[2]);
			setTime(ftp, a[1], a[2]);
		}
		case "resume" -> resume(ftp, a[1], a[2]);
		case "download" -> download(ftp, a[1], a[2], false);
		case "download_rest" -> download(ftp, a[1], a[2], true);
		case "list" -> list(ftp, a[1]);
		case "rename_file" -> check(ftp, ftp.rename(a[1], a[2]));
		case "make_folder" -> check(ftp, ftp.makeDirectory(a[1]));
		case "remove_folder" -> check(ftp, ftp.removeDirectory(a[1]));
		default -> throw new IllegalArgumentException(a[0]);
		}
		ftp.logout();
		ftp.disconnect();
	}
}
