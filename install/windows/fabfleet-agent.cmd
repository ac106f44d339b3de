@"%~dp0python\python.exe" -m agent %*
