using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using StackExchange.Redis;
using StackExchange.Redis.Configuration;

namespace Kvasir.Server.Stores;

/// <summary>The way to a server of Redis' protocol, over which nothing comes that <see cref="ReplyBounds"/> does not let through.</summary>
/// <param name="tlsHost">Whose certificate is asked for; null for a way without TLS, which has to be ended before replies can be looked at.</param>
internal sealed class BoundedReplies(string? tlsHost) : Tunnel
{
    public override async ValueTask<Stream?> BeforeAuthenticateAsync(
        EndPoint endpoint, ConnectionType connectionType, Socket? socket, CancellationToken cancellationToken)
    {
        var plain = new NetworkStream(socket!, ownsSocket: true);
        if (tlsHost is null)
            return new Bounded(plain);
        var secured = new SslStream(plain);
        await secured.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = tlsHost }, cancellationToken).ConfigureAwait(false);
        return new Bounded(secured);
    }

    private sealed class Bounded(Stream way) : Stream
    {
        private ReplyBounds _bounds;

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var count = way.Read(buffer);
            _bounds.Look(buffer[..count]);
            return count;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await way.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            _bounds.Look(buffer.Span[..count]);
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(byte[] buffer, int offset, int count) => way.Write(buffer, offset, count);

        public override void Write(ReadOnlySpan<byte> buffer) => way.Write(buffer);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            way.WriteAsync(buffer, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            way.WriteAsync(buffer, offset, count, cancellationToken);

        public override void Flush() => way.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => way.FlushAsync(cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                way.Dispose();
            base.Dispose(disposing);
        }
    }
}
