"""Stage 16: the review that a run fills in."""


def test_a_run_hands_on_its_review_and_shows_it_in_the_report(undisturbed):
    review = (undisturbed.artifacts / "review.md").read_text(encoding="utf-8")
    items = undisturbed.load("collaborate")["items"]
    assert review.count("- [x]") == sum(item["state"] == "fine" for item in items)
    assert review.count("- [") == len(items) >= 10
    answers = {item["question"]: item["answer"] for item in items}
    metrics = undisturbed.load("metrics")
    assert f"{metrics['score']:.3f}" in answers["Is it good enough?"]
    assert undisturbed.load("snapshot")["data_hash"][:8] in answers["What is it trained on?"]
    report = (undisturbed.folder / "report.html").read_text(encoding="utf-8")
    assert "<li>☑ What is it trained on?" in report and "<li>☐ Who answers for it?" in report
    assert str(undisturbed.folder.parent) not in review
