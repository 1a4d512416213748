using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Kvasir.Server;

/// <summary>What a listener holds clients to before a request is there.</summary>
public static class KvasirListening
{
    private const int MostPerAddress = 64;
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Limits of the listener: a request line of 8 KiB, headers of 32 KiB in 100 fields within 30 s, a body of 240 bytes a second after 5 s, 1024 connections,
    /// 130 s of keep-alive, 100 streams an HTTP/2 connection. Call it before listeners are added.
    /// </summary>
    /// <param name="maxBodyBytes">The most bytes of a body.</param>
    public static void UseKvasirLimits(this KestrelServerOptions kestrel, long maxBodyBytes = 32 << 20)
    {
        ArgumentNullException.ThrowIfNull(kestrel);
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxRequestBodySize = maxBodyBytes;
        limits.MaxRequestLineSize = 8 << 10;
        limits.MaxRequestHeadersTotalSize = 32 << 10;
        limits.MaxRequestHeaderCount = 100;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(30);
        limits.MinRequestBodyDataRate = new MinDataRate(240, Grace);
        limits.MinResponseDataRate = new MinDataRate(240, TimeSpan.FromSeconds(30));
        limits.MaxConcurrentConnections = 1024;
        limits.KeepAliveTimeout = TimeSpan.FromSeconds(130);
        limits.Http2.MaxStreamsPerConnection = 100;
        var counts = new ConcurrentDictionary<IPAddress, int>();
        kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Use(next => connection => CountAsync(counts, next, connection)));
    }

    // One address cannot have all connections; sockets of the file system have no address.
    private static async Task CountAsync(ConcurrentDictionary<IPAddress, int> counts, ConnectionDelegate next, ConnectionContext connection)
    {
        if (connection.RemoteEndPoint is not IPEndPoint { Address: var address })
        {
            await next(connection).ConfigureAwait(false);
            return;
        }

        try
        {
            if (counts.AddOrUpdate(address, 1, static (_, count) => count + 1) > MostPerAddress)
                connection.Abort(new ConnectionAbortedException($"{address} has {MostPerAddress} connections"));
            else
                await next(connection).ConfigureAwait(false);
        }
        finally
        {
            if (counts.AddOrUpdate(address, 0, static (_, count) => count - 1) == 0)
                counts.TryRemove(new KeyValuePair<IPAddress, int>(address, 0));
        }
    }
}
