"""What running a server for years needs beside DICOM."""
