using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Support;

/// <summary>A connection as bytes: for what a client library would hide.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly byte[] _buffer = new byte[16 << 10];
    private readonly StringBuilder _read = new();

    /// <param name="receiveBytes">What the system keeps for a reader that does not read.</param>
    public RawConnection(Uri address, int receiveBytes = 64 << 10)
    {
        _socket.ReceiveBufferSize = receiveBytes;
        _socket.Connect(address.Host, address.Port);
    }

    public string Received => _read.ToString();

    public Task PostAsync(string path, string body) => SendAsync(
        string.Create(CultureInfo.InvariantCulture, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));

    public async Task SendAsync(string text) => await _socket.SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Lets time go on in steps until the text has come; fails if the end comes first.</summary>
    public async Task AdvanceUntilAsync(FakeTimeProvider clock, TimeSpan step, string text)
    {
        await AdvanceAsync(clock, step, ReadUntilAsync(text));
        Assert.True(Received.Contains(text, StringComparison.Ordinal), $"'{text}' is not in '{Received}'");
    }

    /// <summary>Lets time go on in steps until a task has ended.</summary>
    public static async Task AdvanceAsync(FakeTimeProvider clock, TimeSpan step, Task ended)
    {
        while (await Task.WhenAny(ended, Task.Delay(20)) != ended)
            clock.Advance(step);
        await ended;
    }

    /// <summary>Reads until the text has come, or the end.</summary>
    /// <returns>Whether it has come.</returns>
    public Task<bool> ReadUntilAsync(string text) => ReadUntilAsync(received => received.Contains(text, StringComparison.Ordinal));

    /// <summary>Reads until what was received is as it should be, or the end.</summary>
    public async Task<bool> ReadUntilAsync(Predicate<string> hasCome)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!hasCome(Received))
        {
            if (!await ReadOnceAsync(late.Token))
                return false;
        }

        return true;
    }

    /// <summary>Reads to the end.</summary>
    public async Task ReadToEndAsync()
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (await ReadOnceAsync(late.Token))
        {
        }
    }

    public void Dispose() => _socket.Dispose();

    private async Task<bool> ReadOnceAsync(CancellationToken late)
    {
        try
        {
            var count = await _socket.ReceiveAsync(_buffer, late);
            _read.Append(Encoding.UTF8.GetString(_buffer, 0, count));
            return count > 0;
        }
        catch (SocketException)
        {
            // Reset: the other side has closed it without an end.
            return false;
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"nothing more came behind '{Received}'");
        }
    }
}
