using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Kvasir.Server.Hosting;
using Kvasir.Server.Test.Hosting;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>What a token of a stream takes on its way from the engine to the socket. It counts what the whole process allocates, so nothing else runs beside it.</summary>
[Collection(nameof(SoakTest))]
public sealed class StreamedTokenTest
{
    // The token's text, that of its piece, the piece, and all text so far, doubled now and then.
    private const double MostBytes = 250;

    [Theory]
    [InlineData("/v1/completions", "\"prompt\":\"Once upon a time\"")]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]")]
    public async Task AFrameAllocatesLittle(string path, string prompt)
    {
        const int Frames = 16;
        await using var server = await RunningServer.StartAsync();
        using var held = await HeldEngine.HoldAsync(server, isStepped: true);
        using var socket = Ask(server.Address, path, prompt);
        var buffer = new byte[64 << 10];
        Read(socket, held, buffer, Frames);
        var least = double.PositiveInfinity;
        // Code that is compiled meanwhile allocates beside it.
        for (var attempt = 0; attempt < 20 && least > MostBytes; attempt++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            Read(socket, held, buffer, Frames);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Frames);
        }

        held.Release();
        Assert.InRange(least, 0, MostBytes);
    }

    [Fact]
    public void AnswersThatRingTogetherAreWokenByOneThreadInTheirOrder()
    {
        var rope = new BellRope();
        var bells = Enumerable.Range(0, 16).Select(_ => new AnswerBell(rope)).ToArray();
        var woken = new List<(int Bell, int Thread)>();
        using var all = new CountdownEvent(bells.Length);
        for (var i = 0; i < bells.Length; i++)
            WaitAsync(i);
        // The first is awake while the others ring, as they do behind a step.
        bells[0].Ring();
        Assert.True(all.Wait(TimeSpan.FromSeconds(30)));
        Assert.Equal(Enumerable.Range(0, bells.Length), woken.Select(static one => one.Bell));
        Assert.Single(woken.Select(static one => one.Thread).Distinct());

        async void WaitAsync(int bell)
        {
            await bells[bell].WaitAsync();
            woken.Add((bell, Environment.CurrentManagedThreadId));
            for (var other = 1; bell == 0 && other < bells.Length; other++)
                bells[other].Ring();
            all.Signal();
        }
    }

    [Fact]
    public async Task ABellIsHeardByWhoWaitsLaterAndRingsOnceHoweverOftenItIsRung()
    {
        var bell = new AnswerBell(new BellRope());
        bell.Ring();
        bell.Ring();
        Assert.True(bell.WaitAsync().AsTask().IsCompletedSuccessfully);
        var waiting = bell.WaitAsync().AsTask();
        Assert.False(waiting.IsCompleted);
        bell.Ring();
        bell.Ring();
        await waiting;
    }

    private static Socket Ask(Uri address, string path, string prompt)
    {
        var body = $"{{{prompt},\"max_tokens\":400,\"ignore_eos\":true,\"stream\":true,\"temperature\":0}}";
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(address.Host, address.Port);
        socket.Send(Encoding.UTF8.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}")));
        return socket;
    }

    // Frame by frame: the engine makes its next step when the last one's token is here, or, before the prompt is in a step, after a while.
    private static void Read(Socket socket, HeldEngine held, byte[] buffer, int frames)
    {
        for (var seen = 0; seen < frames;)
        {
            while (!socket.Poll(TimeSpan.FromMilliseconds(100), SelectMode.SelectRead))
                held.Step();
            var read = socket.Receive(buffer);
            if (read == 0)
                Assert.Fail("the stream has ended");
            var come = buffer.AsSpan(0, read).Count("data: "u8);
            seen += come;
            for (var i = 0; i < come; i++)
                held.Step();
        }
    }
}
