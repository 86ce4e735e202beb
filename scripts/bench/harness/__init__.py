"""What every benchmark needs: data, servers, fair measuring, tables. Linux only: it reads /proc."""
